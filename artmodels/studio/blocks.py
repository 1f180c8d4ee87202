"""Gradio's `Blocks` as the studio needs it: fair to its visitors, quick, and plain with their mistakes."""

from os.path import normpath
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

from artmodels.studio.dial import within
from artmodels.studio.front_page import Preview
from artmodels.studio.traffic import FairQueue

MAX_WAITING = 400  # requests in the queue, beyond which a visitor is told to come back
LONGEST = 200  # characters of Gradio's own words that are passed on


class StudioBlocks(gr.Blocks):
    """Blocks whose queue is fair, and which answer input of the wrong kind in one line, without a traceback."""

    preview: Preview
    served: Path  # where the files lie that are shown

    @property
    def state_holder(self) -> StateHolder:
        """Of the sessions; Gradio sets it whenever it makes an app of these blocks."""
        return self._sessions

    @state_holder.setter
    def state_holder(self, holder: StateHolder) -> None:
        holder.__class__ = LeanSessions
        self._sessions = cast(LeanSessions, holder)

    def queue(self, *args: Any, **options: Any) -> "StudioBlocks":
        """Called by Gradio itself while the blocks come to be: another call would cost another app."""
        super().queue(*args, **{"max_size": MAX_WAITING, **options, "api_open": False})  # nobody passes the queue by
        FairQueue.fair(self._queue)
        return self

    async def process_api(self, block_fn: Any, inputs: list[Any], *args: Any, **options: Any) -> Any:
        """A program's call leaves no session behind: thousands of them would push out those of visitors."""
        try:
            return await super().process_api(block_fn, inputs, *args, **options)
        finally:
            if (session_hash := options.get("session_hash")) and getattr(block_fn, "api_visibility", "") == "public":
                self._sessions.forget(session_hash)

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        """Inputs that a program left out at the end have their defaults, and those of a page are as it shows them.

        That is, what was deleted is in no gallery any more, and what is typed lies in a slider's range.
        """
        of_program = block_fn.api_visibility == "public"
        if of_program:
            inputs = [*inputs, *(block.value for block in block_fn.inputs[len(inputs) :])]
        sent = []
        for block, value in zip(block_fn.inputs, inputs, strict=False):
            if isinstance(block, gr.Gallery):
                value = still_there(value, self.served)
            elif isinstance(block, gr.Slider) and not of_program:
                value = within(block, value)
            sent.append(value)
        inputs = [*sent, *inputs[len(sent) :]]
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except Exception as error:  # whatever goes wrong before our own code runs is owed to what was sent
            raise gr.Error(plain_words(error), print_exception=False) from error


def still_there(gallery: Any, served: Path) -> Any:
    """What a page sends of a gallery, without the pictures whose files have been deleted: Gradio would refuse all.

    Only of files in the folder `served` is it told in this way whether they exist.
    """

    def stands(item: Any) -> bool:
        path = item.get("image", {}).get("path") if isinstance(item, dict) else None
        return not isinstance(path, str) or not Path(normpath(path)).is_relative_to(served) or Path(path).exists()

    try:
        return [item for item in gallery if stands(item)] if isinstance(gallery, list) else gallery
    except (AttributeError, ValueError, OSError):  # not of the form that Gradio asks for, which it says itself
        return gallery


class LeanSession(SessionState):
    """A session without its own copy of every component's properties.

    Only Gradio's deep links read that copy, which the studio does without. It takes half a megabyte and 10 ms or so
    for every visitor, and for every call of a program.
    """

    def __init__(self, blocks: gr.Blocks):
        super().__init__(SimpleNamespace(default_config=blocks.default_config, blocks={}))  # type: ignore[arg-type]

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class LeanSessions(StateHolder):
    """The sessions of all visitors."""

    def forget(self, session_id: str) -> None:
        with self.lock:
            self.session_data.pop(session_id, None)
            self.time_last_used.pop(session_id, None)

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = LeanSession(self.blocks)
        return super().__getitem__(session_id)


def plain_words(error: Exception) -> str:
    """What Gradio says of input that it refuses, in a line, without paths of this machine."""
    if isinstance(error, gr.Error):
        words = str(error.message)
    else:
        words = "an input is not of the kind that is asked for: see /gradio_api/info"
    line = " ".join(words.split())
    return "a file must be uploaded before it is named" if "/" in line and "cache" in line else line[:LONGEST]
