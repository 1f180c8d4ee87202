"""A page where pictures move with a sound: the visitor's own, or a piece of ours."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from artmodels.generate.compose import MODES, compose
from artmodels.generate.score import Score, check_score, score_bytes
from artmodels.hub.load import LoadedModel
from artmodels.studio.context import (
    PAINTING,
    StudioContext,
    Updates,
    clear_errors,
    gentle,
)
from artmodels.studio.i18n import DEFAULT_LANGUAGE, translate
from artmodels.studio.pages.score_dials import ScoreDials, build_dials, chosen
from artmodels.studio.pages.score_film import RATE, FilmShown, build_film_buttons, build_film_shown, build_score_file
from artmodels.studio.performing import (
    PREVIEW_RATE,
    PREVIEW_SECONDS,
    draw_sound,
    hear_file,
    our_piece,
    performed,
    take_score,
)


@dataclass(frozen=True)
class MusicPage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    sound: gr.Audio
    heard: gr.HTML
    mode: gr.Radio
    dials: ScoreDials
    score_file: gr.File
    preview: gr.Button
    make: gr.Button
    stop: gr.Button
    shown: FilmShown

    def listen(self, path: str | None, language: str) -> str:
        with clear_errors(language):
            _, samples, hearing = hear_file(self.context.files, path)
        return draw_sound(samples, hearing, language)

    def listen_once(self, drawn: str, path: str | None, language: str) -> Any:
        return gr.skip() if drawn else self.listen(path, language)

    def score_for(
        self, model: LoadedModel, path: str | None, written: str | None, mode: str, rate: int, size: int, values: Any
    ) -> tuple[Path, Score]:
        file, _, hearing = hear_file(self.context.files, path)
        if written:
            score = take_score(self.context.files, written)
            check_score(score, model, hearing.sha256)
            return file, score
        return file, compose(hearing, model, mode, **values, frames_per_second=rate, size=size)

    def shoot(self, whole: bool, *given: Any) -> Iterator[Updates]:
        path, written, mode, *dialled, size, kind, current, language = given
        with clear_errors(language):
            model = self.context.model_of(current)
            yield {**self.shown.begun(language, "listening"), self.stop: gr.Button(visible=True)}
            rate = RATE if whole else PREVIEW_RATE
            file, score = self.score_for(model, path, written, mode, rate, int(size), chosen(*dialled))
            name = f"artmodels-music.{kind}" if whole else "preview.mp4"
            frames = None if whole else PREVIEW_SECONDS * score.frames_per_second
            steps = performed(self.context, model, score, file, name, frames, rough=not whole)
            yield from self.shown.followed(steps, language, "filming" if whole else "previewing")
            saved = self.context.save(score_bytes(score), "score.json")
        yield {self.shown.score: gr.DownloadButton(value=saved, visible=True), self.stop: gr.Button(visible=False)}

    def film(self, whole: bool, *given: Any) -> Iterator[Updates]:
        yield from self.shown.making(self.stop, self.shoot(whole, *given))

    def connect(self, room: gr.Tab) -> None:
        context, sound, heard = self.context, self.sound, self.heard
        listening = {"fn": self.listen, "inputs": [sound, context.language], "outputs": heard, **PAINTING}
        sound.change(**gentle(listening))
        room.select(self.listen_once, [heard, sound, context.language], heard, **PAINTING)
        inputs = [sound, self.score_file, self.mode, *self.dials.inputs, context.current, context.language]
        self.shown.connect(self.context.language, self.film, inputs, self.preview, self.make, self.stop)


def build_music_page(context: StudioContext, first: LoadedModel, room: gr.Tab) -> MusicPage:
    context.add(gr.HTML, {"value": "music-intro"}, elem_classes="intro", padding=False)
    sound = context.add(
        gr.Audio,
        {"label": "music-file"},
        value=our_piece(context.files),
        sources=["upload", "microphone"],
        type="filepath",
        editable=False,
        buttons=[],
        waveform_options=gr.WaveformOptions(show_recording_waveform=False),  # ours below shows what is heard in it
        elem_id="music-file",
    )
    context.add(gr.HTML, {"value": "music-privacy"}, elem_classes="fine-print", padding=False)
    heard = gr.HTML("", elem_id="heard", padding=False)
    mode = context.add(
        gr.Radio,
        {"label": "mode", "info": "mode-hint"},
        choices=mode_choices(DEFAULT_LANGUAGE),
        value="pulse",
        elem_id="mode",
        elem_classes="pills",
    )
    dials = build_dials(context, first, "music")
    score_file = build_score_file(context, "music")
    preview, make, stop = build_film_buttons(context, "music")
    shown = build_film_shown(context, "music")
    page = MusicPage(context, sound, heard, mode, dials, score_file, preview, make, stop, shown)
    page.connect(room)
    return page


def mode_choices(language: str) -> list[tuple[str, str]]:
    return [(translate(language, f"mode-{mode}"), mode) for mode in MODES]
