"""Moved: gradient descent is in `artmodels.optimize.descent`, resizing in `artmodels.data.decode`."""

from artmodels.io.moved import moved

DESCENT = "artmodels.optimize.descent"
__getattr__ = moved(
    __name__,
    {
        "Progress": f"{DESCENT}:DescentStep",
        "PATIENCE": f"{DESCENT}:STEPS_WITHOUT_PROGRESS",
        "resized": "artmodels.data.decode",
        **dict.fromkeys(
            ("Descent", "Input", "Pyramid", "check_size", "draw_curve", "finish", "read_input", "total_variation"),
            DESCENT,
        ),
    },
)
