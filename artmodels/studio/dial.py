"""The sliders of the pages."""

from typing import Any

import gradio as gr


def dial(*values: Any, **options: Any) -> gr.Slider:
    """A slider without Gradio's button that takes it back: pages listen to what visitors put in, and would not hear."""
    return gr.Slider(*values, **{"buttons": [], **options})


def within(slider: gr.Slider, number: Any) -> Any:
    """A number that a page sends of a slider, brought into its range; its first value, where it is none.

    On the way to the number that is typed there may be such ones, of which Gradio would complain in English.
    """
    known = isinstance(number, int | float) and number == number
    return min(max(number, slider.minimum), slider.maximum) if known else slider.value
