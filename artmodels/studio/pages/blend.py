"""A page to design a style: mix the model's, give the mix a name, and mix the layers of two pictures."""

import html
import random
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

from artmodels.generate.mixing import mix_layers
from artmodels.hub.load import LoadedModel
from artmodels.studio import handlers
from artmodels.studio.context import (
    PAINTING,
    QUICK,
    RANDOM_SEED_JS,
    Pictures,
    StudioContext,
    Updates,
    as_data,
    bank,
    clear_errors,
    figure,
    gentle,
    pick_from,
    read_picked,
)
from artmodels.studio.dial import dial
from artmodels.studio.handlers import FIRST_SEED
from artmodels.studio.i18n import DEFAULT_LANGUAGE, Complaint, style_word, translate
from artmodels.studio.pages.paint import (
    MAX_DESIGNS,
    STAR,
    PaintPage,
    designs_of,
    named_styles,
    style_choices,
    truncation_slider,
)
from artmodels.studio.panel import LINK_JS, Panel, link_field, link_of
from artmodels.studio.visitors import Wishes, visitor

SLOTS = 12  # styles that one mix can hold
BLEND_COUNT = 12
MAX_NAME = 60
CHOSEN_JS = """() => {
    document.querySelector('#style label.selected')?.scrollIntoView({inline: 'center', block: 'nearest'});
    return [];
}"""
LAYERS_JS = "() => { window.artmodels.lookAt('#layers', 'center'); return []; }"


@dataclass(frozen=True)
class BlendPage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    slots: gr.JSON  # the style of each slider
    chosen_slots: gr.Dropdown
    sliders: list[gr.Slider]
    surprise: gr.Button
    even: gr.Button
    shares: gr.HTML
    wall: Pictures
    seed: gr.Number
    dice: gr.Button
    truncation: gr.Slider
    name: gr.Textbox
    save: gr.Button
    mine: gr.Dropdown
    forget: gr.Button
    link: gr.Textbox
    coarse: gr.JSON
    coarse_image: gr.HTML
    fine: gr.JSON
    fine_image: gr.HTML
    cuts: Pictures
    wishes: Wishes

    def mixed(self, model: LoadedModel, weights: dict[str, float], language: str) -> Updates:
        """The sliders of a mix, with all styles that it holds."""
        styles = model.generator.config.styles
        chosen = set(sorted(styles, key=lambda style: -weights.get(style, 0.0))[:SLOTS])
        names = [style for style in styles if style in chosen]
        labels = [style_word(name, language) for name in names]
        sliders = bank(labels, [weights.get(name, 0.0) for name in names], SLOTS)
        updates: Updates = {slider: gr.Slider(**each) for slider, each in zip(self.sliders, sliders, strict=True)}
        return updates | {self.slots: names}

    def linked(self, event: Dependency) -> Dependency:
        """After a repaint: the link gets the address of the page before it."""
        return event.success(None, self.link, self.link, js=LINK_JS, api_visibility="private")

    @property
    def repainting(self) -> dict[str, Any]:
        """The event that paints the mix of the sliders."""
        context, wall = self.context, self.wall
        return {
            "fn": self.repaint,
            "inputs": [
                *(self.slots, self.seed, self.truncation, self.name, wall.recipes, context.picked),
                *(context.current, context.language, *self.sliders),
            ],
            "outputs": [*wall.parts, self.shares, self.link],
            **PAINTING,
        }

    def repaint(
        self,
        slots: Any,
        seed: float,
        truncation: float,
        name: str,
        hanging: Any,
        picked: Any,
        current: str,
        language: str,
        *values: float,
    ) -> Updates:
        context, wall = self.context, self.wall
        is_over = self.wishes.begin(visitor())  # of two that paint beside each other the first may be the last to end
        with clear_errors(language):
            model = context.model_of(current)
            mix = dict(zip(slots, values, strict=False))
            recipes = handlers.recipes_of_seeds(model, mix, seed, BLEND_COUNT, truncation)
            weights = recipes[0].style_weights
            link = link_of(recipes[0], language, open="blend", **({"name": name[:MAX_NAME]} if name else {}))
            updates: Updates = {self.shares: share_bar(weights, language), self.link: link}
            if as_data(recipes) != hanging:
                shown, data = context.show(model, recipes, language)
                updates |= {wall.gallery: context.hung(shown, data, picked), wall.recipes: data}
            return gr.skip() if is_over() else updates

    def set_mix(self, weights: dict[str, float], current: str, language: str) -> Updates:
        return self.mixed(self.context.model_of(current), weights, language)

    def surprise_mix(self, current: str, language: str) -> Updates:
        """Two to four styles, drawn by lot."""
        styles = self.context.model_of(current).generator.config.styles
        drawn = random.sample(styles, min(len(styles), random.randint(2, 4)))
        return self.set_mix({style: round(random.uniform(0.15, 1), 2) for style in drawn}, current, language)

    def even_mix(self, slots: list[str], current: str, language: str) -> Updates:
        return self.set_mix(dict.fromkeys(slots, 0.5), current, language)

    def choose_slots(self, chosen: list[str], current: str, language: str) -> Updates:
        """The styles that have a slider, where a model has more than there are."""
        with clear_errors(language):
            if not chosen:
                raise Complaint("all-zero")
        return self.even_mix(chosen, current, language)

    def save_style(
        self, name: str, slots: list[str], designs: Any, current: str, language: str, *values: float
    ) -> tuple[Any, ...]:
        """The mix, kept in the browser under the name that is given, or after its styles, and chosen on Paint."""
        with clear_errors(language):
            name = " ".join(name.split())[:MAX_NAME]
            model = self.context.model_of(current)
            weights = handlers.style_weights_of(model, dict(zip(slots, values, strict=False)))
            name = name or handlers.mix_words(weights, language)
            design = {"name": name, "weights_sha256": model.weights_sha256, "weights": weights}
            stored = designs if isinstance(designs, list) else []
            others = [other for other in stored if not same_design(other, design)]
            if len(others) >= MAX_DESIGNS:
                raise Complaint("designs-full", most=MAX_DESIGNS)
        news, title = translate(language, "saved", name=name), translate(language, "save-style")
        gr.Info(html.escape(news), title=title, duration=4)
        return [*others, design], *design_updates(model, [*others, design], name, language, STAR + name)

    def forget_style(self, name: str | None, designs: Any, current: str, language: str) -> tuple[Any, ...]:
        model = self.context.model_of(current)
        gone = [design for design in designs_of(model, designs) if design["name"] == name]
        stored = [design for design in designs or [] if design not in gone]
        return stored, *design_updates(model, stored, None, language)

    def load_style(self, chosen: str | None, designs: Any, current: str, language: str) -> Updates:
        """The sliders of a style that the visitor made."""
        model = self.context.model_of(current)
        for design in designs_of(model, designs):
            if design["name"] == chosen:
                return {self.name: chosen, **self.set_mix(design["weights"], current, language)}
        return gr.skip()

    def cut(self, coarse: Any, fine: Any, current: str, language: str) -> tuple[Any, ...]:
        """The coarse one with the fine one's rows from each block on: all places to cut, side by side."""
        if not coarse or not fine:
            return gr.skip()
        with clear_errors(language):
            model = self.context.model_of(current)
            pair = read_picked(coarse), read_picked(fine)
            layers = model.generator.config.layers
            mixed = [mix_layers(*pair, first) for first in range(layers, 0, -1)]
            wall, recipes = self.context.show(model, mixed, language)
            resolutions = model.generator.config.resolutions
        return [
            (path, translate(language, "from-pixels", pixels=resolutions[layers - 1 - place]))
            for place, (path, _) in enumerate(wall)
        ], recipes

    def put_layers(self, picked: Any) -> tuple[Any, ...]:
        """The picked picture for one of the two places, and this page."""
        return read_picked(picked).to_data() if picked else picked, self.context.go("blend")

    def connect(self, paint_page: PaintPage, panel: Panel) -> None:
        context, repainting, linked = self.context, gentle(self.repainting), self.linked
        seed, mixed, asked = self.seed, [self.slots, *self.sliders], [context.current, context.language]
        linked(
            gr.on(
                [*(slider.input for slider in self.sliders), seed.submit, seed.blur, self.truncation.input],
                **repainting,
            )
        )
        drawn = self.dice.click(None, None, seed, js=RANDOM_SEED_JS, api_visibility="private")
        linked(drawn.then(**repainting))
        linked(self.surprise.click(self.surprise_mix, asked, mixed, **QUICK).then(**repainting))
        linked(self.even.click(self.even_mix, [self.slots, *asked], mixed, **QUICK).then(**repainting))
        chosen = self.chosen_slots.input(self.choose_slots, [self.chosen_slots, *asked], mixed, **QUICK)
        linked(chosen.success(**repainting))
        naming = [context.designs, self.mine, paint_page.style]
        saving = [self.name, self.slots, context.designs, *asked, *self.sliders]
        saved = self.save.click(self.save_style, saving, naming, **QUICK)
        linked(saved.success(**repainting))
        seeds = [paint_page.near, paint_page.near_bar, context.tabs]
        shown = saved.success(paint_page.show_seeds, None, seeds, **QUICK)
        shown.then(None, None, None, js=CHOSEN_JS, api_visibility="private")
        shown.then(**paint_page.repainting)
        own = [self.mine, context.designs, *asked]
        linked(self.mine.input(self.load_style, own, [self.name, *mixed], **QUICK).then(**repainting))
        forgotten = self.forget.click(self.forget_style, own, naming, **QUICK)
        for event in (saved, forgotten):
            context.tell_tabs(event, context.designs, "styles")
        for pictures in (self.wall, self.cuts):
            panel.show_after(pick_from(context, pictures))
        for title, button, image, slot in (
            ("coarse", panel.coarse, self.coarse_image, self.coarse),
            ("fine", panel.fine, self.fine_image, self.fine),
        ):
            put = button.click(self.put_layers, context.picked, [slot, context.tabs], **QUICK).then(
                _shown(context, title), [slot, *asked], image, **PAINTING
            )
            put.then(None, None, None, js=LAYERS_JS, api_visibility="private")
            put.success(self.cut, [self.coarse, self.fine, *asked], self.cuts.parts, **PAINTING)


def first_mix(model: LoadedModel) -> dict[str, float]:
    """Two styles in halves, or the only one."""
    styles = model.generator.config.styles
    return {style: 0.5 for style in styles[:2]}


def build_blend_page(context: StudioContext, first: LoadedModel, paint_page: PaintPage, panel: Panel) -> BlendPage:
    context.add(gr.HTML, {"value": "blend-intro"}, elem_classes="intro", padding=False)
    names = list(first.generator.config.styles)[:SLOTS]
    mix = {style: weight for style, weight in first_mix(first).items() if style in names} or {names[0]: 1.0}
    slots = gr.JSON(names, visible=False)
    others = context.add(
        gr.Dropdown,
        {"label": "slots", "info": "slots-info"},
        choices=named_styles(first, DEFAULT_LANGUAGE),
        value=names,
        multiselect=True,
        max_choices=SLOTS,
        visible=len(first.generator.config.styles) > SLOTS,
        elem_id="slots",
    )
    with gr.Row(elem_id="blend"):
        with gr.Column(min_width=260, elem_id="mixer"):
            sliders = [
                dial(0, 1, step=0.01, elem_classes="mix", **slider)
                for slider in bank([style_word(name) for name in names], [mix.get(name, 0.0) for name in names], SLOTS)
            ]
            with gr.Row():
                surprise = context.add(gr.Button, {"value": "surprise"}, min_width=110, elem_id="surprise")
                even = context.add(gr.Button, {"value": "even"}, min_width=110, elem_id="even")
            shares = gr.HTML("", elem_id="shares", padding=False)
        with gr.Column(scale=2, min_width=320, elem_id="mixed"):
            with gr.Row(elem_id="name-row"):
                name = context.add(
                    gr.Textbox,
                    {"label": "name", "placeholder": "name-hint"},
                    max_lines=1,
                    max_length=MAX_NAME,
                    elem_id="name",
                )
                save = context.add(
                    gr.Button, {"value": "save-style"}, variant="primary", min_width=130, elem_id="save-style"
                )
            wall = context.pictures("wall", "blend-wall", named=True)
            with gr.Row():
                seed = context.add(gr.Number, {"label": "seed"}, value=FIRST_SEED, precision=0, min_width=110)
                dice = context.add(gr.Button, {"value": "dice"}, min_width=130, elem_id="blend-dice")
                truncation = truncation_slider(context, "blend-truncation")
    with gr.Row(elem_id="mine-row"):
        mine = context.add(gr.Dropdown, {"label": "my-styles"}, choices=[], value=None, elem_id="my-styles")
        forget = context.add(gr.Button, {"value": "forget"}, min_width=90, elem_id="forget")
    style_link = link_field(context, "style-link", "style-link-info", "style-link")
    context.add(gr.HTML, {"value": "layers-intro"}, elem_classes="intro", padding=False)
    with gr.Row(elem_id="layers"):
        coarse_image = context.picture("coarse")
        fine_image = context.picture("fine")
        with gr.Column(scale=3, min_width=320):
            cuts = context.pictures("cuts", "cuts")
    coarse, fine = gr.JSON(None, visible=False), gr.JSON(None, visible=False)
    page = BlendPage(
        context, slots, others, sliders, surprise, even, shares, wall, seed, dice, truncation,
        name, save, mine, forget, style_link, coarse, coarse_image, fine, fine_image, cuts, Wishes(),
    )  # fmt: skip
    page.connect(paint_page, panel)
    return page


def _shown(context: StudioContext, title: str) -> Any:
    def shown(recipe: Any, current: str, language: str) -> str:
        with clear_errors(language):
            ((path, caption),), _ = context.show(context.model_of(current), [read_picked(recipe)], language)
        return figure(path, caption, translate(language, title))

    return shown


def design_updates(
    model: LoadedModel, designs: Any, chosen: str | None, language: str, style: str | None = None
) -> tuple[Any, Any]:
    """Updates of the list of the visitor's styles, and of the style radio that offers them too."""
    names = [design["name"] for design in designs_of(model, designs)]
    choices = style_choices(model, designs, language)
    radio = gr.Radio(choices=choices, value=style) if style else gr.Radio(choices=choices)
    return gr.Dropdown(choices=names, value=chosen), radio


def same_design(other: Any, design: dict[str, Any]) -> bool:
    """Whether two styles of a visitor have the same name for the same model."""
    return isinstance(other, dict) and all(other.get(key) == design[key] for key in ("name", "weights_sha256"))


def share_bar(weights: dict[str, float], language: str) -> str:
    """The mix in words."""
    shares = sorted(weights.items(), key=lambda item: -item[1])
    words = (f"<strong>{share:.0%}</strong> {html.escape(style_word(style, language))}" for style, share in shares)
    return f"<p>{' + '.join(words)}</p>"
