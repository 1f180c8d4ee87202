"""Moved: style transfer is in `artmodels.optimize.style_transfer`."""

from artmodels.io.moved import moved

STYLE_TRANSFER = "artmodels.optimize.style_transfer"
__getattr__ = moved(
    __name__,
    {
        "manner_of": f"{STYLE_TRANSFER}:style_representation",
        "manners_of": f"{STYLE_TRANSFER}:style_representations",
        "find_manners": f"{STYLE_TRANSFER}:find_style_representations",
        "Manner": "artmodels.hub.companions.style_statistics:StyleRepresentation",
        **dict.fromkeys(
            ("TransferSettings", "content_distance", "recolour", "style_distance", "transfer", "typical_paintings"),
            STYLE_TRANSFER,
        ),
    },
)
