"""The Gradio app; the only package that imports gradio."""

import contextlib
import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

with contextlib.suppress(ImportError):  # there on a Space; before anything touches CUDA
    import spaces  # noqa: F401
