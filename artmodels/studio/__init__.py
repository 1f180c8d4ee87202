"""The Gradio app; the only package that imports gradio."""

from artmodels.studio.layout import build_studio, launch_options

__all__ = ["build_studio", "launch_options"]
