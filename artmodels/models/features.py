"""Moved: the feature network is in `artmodels.models.efficientnet`."""

from artmodels.io.moved import moved

EFFICIENTNET = "artmodels.models.efficientnet"
__getattr__ = moved(
    __name__,
    dict.fromkeys(
        (
            "EfficientNetLite",
            "POOLED_DIM",
            "SCALE_STAGES",
            "VARIANTS",
            "load_efficientnet",
            "texture_channels",
            "weights_file",
        ),
        EFFICIENTNET,
    ),
)
