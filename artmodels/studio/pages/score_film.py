"""Where the pages Music and Dance take a score that was edited, and show and hand out the film of one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from artmodels.studio.context import FILMING, QUICK, StudioContext, Updates, in_turn, progress_words
from artmodels.studio.i18n import translate

RATE = 24  # frames a second
TOLD = 0.02  # share of a film between two words of progress


def build_score_file(context: StudioContext, page: str) -> gr.File:
    """Where a visitor hands in a score."""
    with context.add(gr.Accordion, {"label": "score-more"}, open=False, elem_id=f"{page}-score-more"):
        return context.add(
            gr.File,
            {"label": "score-file"},
            file_types=[".json"],
            type="filepath",
            height=110,
            elem_id=f"{page}-score-file",
        )


@dataclass(frozen=True)
class FilmShown:
    """Where a film is told of, shown and downloaded, with its score."""

    news: gr.HTML
    video: gr.Video
    film: gr.DownloadButton
    score: gr.DownloadButton

    @property
    def parts(self) -> list[gr.blocks.Block]:
        return [self.news, self.video, self.film, self.score]

    def begun(self, language: str, words: str) -> Updates:
        """What is shown while nothing is there yet."""
        return {
            self.news: progress_words(translate(language, words), 0),
            self.video: gr.Video(visible=False),
            self.film: gr.DownloadButton(visible=False),
            self.score: gr.DownloadButton(visible=False),
        }

    def followed(self, steps: Iterator[float | Path], language: str, words: str) -> Iterator[Updates]:
        """How far a film is, and at last the film."""
        progress = 0.0
        for step in steps:
            if isinstance(step, Path):
                yield {
                    self.news: "",
                    self.video: gr.Video(value=str(step), visible=True),
                    self.film: gr.DownloadButton(value=str(step), visible=True),
                }
            elif step - progress > TOLD:
                progress = step
                yield {self.news: progress_words(translate(language, words), step)}

    def making(self, stop: gr.Button, steps: Iterator[Updates]) -> Iterator[Updates]:
        """The same updates; an error is told as a warning, after which nothing says that a film is being made."""
        try:
            yield from steps
        except gr.Error as error:
            gr.Warning(error.message, error.duration, title=error.title)
            yield {self.news: "", stop: gr.Button(visible=False)}

    def connect(
        self,
        language: gr.Textbox,
        film: Callable[..., Iterator[Updates]],
        inputs: list[Any],
        preview: gr.Button,
        make: gr.Button,
        stop: gr.Button,
    ) -> None:
        """Buttons that make a part or the whole, by `film(whole, *inputs)`, and one that ends the making."""
        filming: list[Any] = [
            in_turn(
                button,
                language,
                self.news,
                stop,
                {"fn": partial(film, whole), "inputs": inputs, "outputs": [*self.parts, stop], **FILMING},
            )
            for button, whole in ((preview, False), (make, True))
        ]
        # A last word of progress may still be on its way when the making is stopped.
        stop.click(lambda: gr.Button(visible=False), None, stop, cancels=filming, **QUICK).then(
            lambda: ("", gr.Button(visible=False)), None, [self.news, stop], **QUICK
        )


def build_film_buttons(context: StudioContext, page: str) -> tuple[gr.Button, gr.Button, gr.Button]:
    """One row: show the beginning, make the whole, stop."""
    with gr.Row():
        preview = context.add(gr.Button, {"value": "preview"}, min_width=150, elem_id=f"{page}-preview")
        make = context.add(gr.Button, {"value": "make-film"}, variant="primary", min_width=150, elem_id=f"{page}-make")
        stop = context.add(
            gr.Button, {"value": "stop"}, variant="stop", min_width=90, visible=False, elem_id=f"{page}-stop"
        )
    return preview, make, stop


def build_film_shown(context: StudioContext, page: str) -> FilmShown:
    news = gr.HTML("", elem_id=f"{page}-news", elem_classes="film-news", padding=False)
    video = context.add(
        gr.Video,
        {"label": "film"},
        interactive=False,
        autoplay=True,
        visible=False,
        buttons=[],
        elem_id=f"{page}-film",
        elem_classes="score-film",
    )
    with gr.Row():
        downloads = [
            context.add(gr.DownloadButton, {"label": label}, visible=False, min_width=180, elem_id=f"{page}-{label}")
            for label in ("film-download", "score-download")
        ]
    return FilmShown(news, video, *downloads)
