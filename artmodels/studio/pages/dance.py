"""A page where pictures move with a clip: the visitor's own, or their webcam's."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from artmodels.generate.choreograph import choreograph
from artmodels.generate.score import check_score, score_bytes
from artmodels.hub.load import LoadedModel
from artmodels.signals.motion import watch
from artmodels.signals.video_file import clip_pictures
from artmodels.studio.computing import computed
from artmodels.studio.context import StudioContext, Updates, clear_errors
from artmodels.studio.i18n import translate
from artmodels.studio.pages.score_dials import ScoreDials, build_dials, chosen
from artmodels.studio.pages.score_film import RATE, FilmShown, build_film_buttons, build_film_shown, build_score_file
from artmodels.studio.performing import PREVIEW_RATE, PREVIEW_SECONDS, performed, take_clip, take_score


@dataclass(frozen=True)
class DancePage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    clip: gr.Video
    dials: ScoreDials
    score_file: gr.File
    preview: gr.Button
    make: gr.Button
    stop: gr.Button
    shown: FilmShown

    def shoot(self, whole: bool, *given: Any) -> Iterator[Updates]:
        path, written, *dialled, size, kind, current, language = given
        with clear_errors(language):
            model = self.context.model_of(current)
            yield {**self.shown.begun(language, "watching"), self.stop: gr.Button(visible=True)}
            file, seen = take_clip(self.context.files, path)
            motion = computed(watch, seen)
            if written:
                score = take_score(self.context.files, written)
                check_score(score, model, seen.sha256)
            else:
                values = {**chosen(*dialled), "frames_per_second": RATE if whole else PREVIEW_RATE, "size": int(size)}
                score = choreograph(motion, model, **values)
            steps = performed(
                self.context,
                model,
                score,
                file if seen.has_sound else None,
                f"artmodels-dance.{kind}" if whole else "preview.mp4",
                None if whole else PREVIEW_SECONDS * score.frames_per_second,
                rough=not whole,
                clip=clip_pictures(file, score.frames_per_second, score.size),
                begins=seen.begins,
            )
            yield from self.shown.followed(steps, language, "filming" if whole else "previewing")
            saved = self.context.save(score_bytes(score), "score.json")
        news = f'<p role="status">{translate(language, "still-clip")}</p>' if motion.is_still else ""
        yield {
            self.shown.news: news,
            self.shown.score: gr.DownloadButton(value=saved, visible=True),
            self.stop: gr.Button(visible=False),
        }

    def film(self, whole: bool, *given: Any) -> Iterator[Updates]:
        yield from self.shown.making(self.stop, self.shoot(whole, *given))

    def connect(self) -> None:
        context = self.context
        inputs = [self.clip, self.score_file, *self.dials.inputs, context.current, context.language]
        self.shown.connect(self.context.language, self.film, inputs, self.preview, self.make, self.stop)


def build_dance_page(context: StudioContext, first: LoadedModel) -> DancePage:
    context.add(gr.HTML, {"value": "dance-intro"}, elem_classes="intro", padding=False)
    clip = context.add(
        gr.Video,
        {"label": "dance-file"},
        sources=["upload", "webcam"],
        include_audio=True,
        height=300,
        buttons=[],
        elem_id="dance-file",
    )
    context.add(gr.HTML, {"value": "dance-privacy"}, elem_classes="fine-print", padding=False)
    dials = build_dials(context, first, "dance")
    score_file = build_score_file(context, "dance")
    preview, make, stop = build_film_buttons(context, "dance")
    shown = build_film_shown(context, "dance")
    page = DancePage(context, clip, dials, score_file, preview, make, stop, shown)
    page.connect()
    return page
