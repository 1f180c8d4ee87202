"""A page to breed pictures: two to four parents, a litter of children, and the family tree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency
from PIL import Image

from artmodels.generate.mixing import MAX_PARENTS, MIN_PARENTS, children
from artmodels.generate.recipe import SEED_LIMIT, Recipe, png_bytes
from artmodels.generate.sampling import contact_sheet
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
    clear_errors,
    pick_from,
    read_recipes_data,
)
from artmodels.studio.dial import dial
from artmodels.studio.i18n import Complaint, translate
from artmodels.studio.panel import Panel, fits, picked_and_chosen, those_of
from artmodels.studio.visitors import Wishes, visitor

LITTER = 8
MAX_GENERATIONS, MAX_OTHERS = 24, 96  # that are kept of this model, and of all others
FIRST_MUTATION = 0.25
LITTER_JS = "() => { window.artmodels.lookAt('#litter .thumbnail-item'); return []; }"
EXAMPLE_STEP = 3  # pictures of the wall from one parent of the example to the next
GAP = 8  # pixels between parents and children of a strip


@dataclass(frozen=True)
class BreedPage:
    """The parts of the page, and what happens on it."""

    context: StudioContext
    candidates: Pictures  # those of the wall, of which parents may be chosen here
    parents: Pictures
    mutation: gr.Slider
    start: gr.Button
    clear: gr.Button
    litter: Pictures
    tree: gr.Gallery
    forget: gr.Button
    seed: gr.Number
    example: gr.JSON  # recipes of the parents that nobody chose
    wished: gr.JSON  # the recipe of the picture that was clicked last among the candidates
    wishes: Wishes

    def begin(self, recipes: Any, hanging: Any, current: str, language: str) -> tuple[Any, ...]:
        """Whoever comes before any parent is chosen finds two of the wall, with their children."""
        with clear_errors(language):
            model = self.context.model_of(current)
            chosen = [] if recipes else those_of(model, hanging)[: 2 * EXAMPLE_STEP : EXAMPLE_STEP]
            if len(chosen) < MIN_PARENTS:
                return gr.skip()
            is_over = self.wishes.begin(visitor())
            shown, data = self.context.show(model, chosen, language)
            born = self.context.show(model, children(chosen, LITTER, 0, FIRST_MUTATION), language)
        return gr.skip() if is_over() else (shown, data, data, *born)  # the visitor has chosen meanwhile

    def add_parent(self, picked: Any, recipes: Any, example: Any, current: str, language: str) -> Updates:
        """One parent more; those of the example, and their children, make room for it.

        The visitor stays with the pictures until there are enough parents for children.
        """
        updates, count = self.with_parent(picked, recipes, example, current, language)
        if count >= MIN_PARENTS:
            return updates | {self.context.tabs: self.context.go("breed")}
        gr.Info(translate(language, "one-more-parent"), title=translate(language, "breed-it"), duration=8)
        return updates

    def wish(self, offered: Any, event: gr.SelectData) -> Any:
        """Which of those that are offered on this page was clicked."""
        return offered[event.index] if event.index < len(offered or []) else gr.skip()

    def choose_parent(self, wished: Any, recipes: Any, example: Any, current: str, language: str) -> Updates:
        """One parent more, of those that are offered on this page."""
        return self.with_parent(wished, recipes, example, current, language)[0] if wished else gr.skip()

    def with_parent(self, picked: Any, recipes: Any, example: Any, current: str, language: str) -> tuple[Updates, int]:
        """What one parent more changes, and how many there are then."""
        parents, unchosen = self.parents, recipes == example
        self.wishes.one_more(visitor())
        with clear_errors(language):
            model = self.context.model_of(current)
            recipe, chosen = picked_and_chosen(model, picked, [] if unchosen else recipes)
            if recipe not in chosen:
                if len(chosen) >= MAX_PARENTS:
                    raise Complaint("too-many-parents", most=MAX_PARENTS)
                chosen.append(recipe)
            shown, data = self.context.show(model, chosen, language)
        updates: Updates = {parents.gallery: shown, parents.recipes: data}
        return updates | ({part: [] for part in self.litter.parts} if unchosen else {}), len(chosen)

    def part(self) -> tuple[Any, ...]:
        """No parents any more."""
        self.wishes.one_more(visitor())
        return [], []

    def breed_if_enough(self, recipes: Any, *rest: Any) -> tuple[Any, ...]:
        """A litter as soon as there are parents for one."""
        return self.breed(recipes, *rest) if len(recipes or []) >= MIN_PARENTS else gr.skip()

    def breed(
        self, recipes: Any, seed: float, mutation: float, family: Any, tree: Any, current: str, language: str
    ) -> tuple[Any, ...]:
        """A litter of the parents, and the generation in the tree."""
        with clear_errors(language):
            model = self.context.model_of(current)
            chosen = read_recipes_data(recipes)
            if len(chosen) < MIN_PARENTS:
                raise Complaint("too-few-parents", found=len(chosen))
            seed = handlers.whole_number("seed", seed, 0, SEED_LIMIT - 1)
            mutation = handlers.number_between("mutation", mutation, 0, 1)
            generation = {"parents": as_data(chosen), "seed": seed, "mutation": mutation}
            born = children(chosen, LITTER, seed, mutation)
            images = handlers.paint_images(model, [*chosen, *born], self.context.on_walls.paint)
            known = generations_of(model, family)
            if len(tree or []) != len(known):  # strips are deleted after a while
                tree = self.strips_of(model, known, language)
            newest = strip(self.context, [*chosen, *born], images, len(chosen), len(known) + 1, language)
            wall = self.context.on_walls.hang(model, born, images[len(chosen) :], language)
        others = [each for each in (family if isinstance(family, list) else []) if each not in known]
        family = [*others[-MAX_OTHERS:], *[*known, generation][-MAX_GENERATIONS:]]
        return wall, as_data(born), family, [*(tree or []), newest][-MAX_GENERATIONS:]

    def go_back(self, family: Any, current: str, language: str, event: gr.SelectData) -> tuple[Any, ...]:
        """The parents and children of a generation stand there again; what is bred next branches off."""
        self.wishes.one_more(visitor())
        with clear_errors(language):
            model = self.context.model_of(current)
            generations = generations_of(model, family)
            if event.index >= len(generations):
                return gr.skip()
            chosen, born = members(generations[event.index])
            return *self.context.show(model, chosen, language), *self.context.show(model, born, language)

    def show_family(self, family: Any, current: str, language: str) -> list[tuple[str, str]]:
        """The tree that the browser kept, as far as it is the model's."""
        if not family:  # so this never comes late over the first generation of a visitor who was quick
            return gr.skip()
        with clear_errors(language):
            model = self.context.model_of(current)
            return self.strips_of(model, generations_of(model, family), language)

    def strips_of(
        self, model: LoadedModel, generations: Sequence[dict[str, Any]], language: str
    ) -> list[tuple[str, str]]:
        """The tree, painted anew."""
        strips = []
        for place, generation in enumerate(generations, 1):
            chosen, born = members(generation)
            images = handlers.paint_images(model, [*chosen, *born], self.context.on_walls.paint)
            strips.append(strip(self.context, [*chosen, *born], images, len(chosen), place, language))
        return strips

    def show_family_after(self, event: Dependency) -> Dependency:
        inputs = [self.context.family, self.context.current, self.context.language]
        return event.success(self.show_family, inputs, self.tree, **PAINTING)

    def connect(self, panel: Panel) -> None:
        context, parents, litter, tree = self.context, self.parents, self.litter, self.tree
        asked = [context.current, context.language]
        present, changed = [parents.recipes, self.example, *asked], [*parents.parts, *litter.parts]
        added = panel.breed.click(self.add_parent, [context.picked, *present], [*changed, context.tabs], **PAINTING)
        offered = self.candidates
        # A deferred event is told the click of the one that it waited for, but it reads the page anew.
        wished = offered.gallery.select(self.wish, offered.recipes, self.wished, trigger_mode="multiple", **QUICK)
        chosen = wished.success(
            self.choose_parent, [self.wished, *present], changed, trigger_mode="always_last", **PAINTING
        )
        asked_for = self.start.click(None, None, self.seed, js=RANDOM_SEED_JS, api_visibility="private")
        breeding = [parents.recipes, self.seed, self.mutation, context.family, tree, *asked]
        born = [*litter.parts, context.family, tree]
        looking: dict[str, Any] = {"fn": None, "js": LITTER_JS, "api_visibility": "private"}
        for event in (added, chosen):
            drawn = event.success(None, None, self.seed, js=RANDOM_SEED_JS, api_visibility="private")
            bred = drawn.then(self.breed_if_enough, breeding, born, trigger_mode="always_last", **PAINTING)
            context.tell_tabs(bred, context.family, "family")
            bred.then(**looking)
        bred = asked_for.then(self.breed, breeding, born, **PAINTING)
        context.tell_tabs(bred, context.family, "family")
        bred.success(**looking)
        self.clear.click(self.part, None, parents.parts, **QUICK)
        tree.select(self.go_back, [context.family, *asked], [*parents.parts, *litter.parts], **PAINTING)
        forgotten = self.forget.click(lambda: ([], []), None, [context.family, tree], **QUICK)
        context.tell_tabs(forgotten, context.family, "family")
        for pictures in (parents, litter):
            panel.show_after(pick_from(context, pictures))

    def connect_room(self, room: gr.Tab, wall: Pictures) -> None:
        """What happens when somebody comes to this page from the wall."""
        room.select(lambda *hanging: hanging, wall.parts, self.candidates.parts, **QUICK)
        outputs = [*self.parents.parts, self.example, *self.litter.parts]
        inputs = [self.parents.recipes, wall.recipes, self.context.current, self.context.language]
        room.select(self.begin, inputs, outputs, **PAINTING)


def build_breed_page(context: StudioContext, panel: Panel) -> BreedPage:
    context.add(gr.HTML, {"value": "breed-intro"}, elem_classes="intro", padding=False)
    candidates = context.pictures("candidates", "candidates", named=True)
    parents = context.pictures("parents", "parents", named=True)
    with gr.Row(elem_id="breed-bar"):
        mutation = context.add(
            dial,
            {"label": "mutation", "info": "mutation-info"},
            minimum=0,
            maximum=1,
            value=FIRST_MUTATION,
            step=0.05,
            elem_id="mutation",
        )
        start = context.add(
            gr.Button, {"value": "have-children"}, variant="primary", min_width=150, elem_id="have-children"
        )
        clear = context.add(gr.Button, {"value": "clear"}, min_width=90, elem_id="clear-parents")
    litter = context.pictures("litter", "litter", named=True)
    context.add(gr.HTML, {"value": "tree-intro"}, elem_classes="intro", padding=False)
    tree = context.pictures("tree", "tree").gallery
    with gr.Row():
        forget = context.add(gr.Button, {"value": "forget-tree"}, size="sm", min_width=120, elem_id="forget-tree")
    seed = gr.Number(0, visible=False, precision=0)
    example = gr.JSON(None, visible=False)
    wished = gr.JSON(None, visible=False)
    page = BreedPage(
        context, candidates, parents, mutation, start, clear, litter, tree, forget, seed, example, wished, Wishes()
    )
    page.connect(panel)
    return page


def generations_of(model: LoadedModel, family: Any) -> list[dict[str, Any]]:
    """The generations of this model in what a browser kept, which may be anything."""
    known = []
    for generation in family[-MAX_GENERATIONS - MAX_OTHERS :] if isinstance(family, list) else []:
        try:
            chosen = read_recipes_data(generation["parents"])
            if MIN_PARENTS <= len(chosen) <= MAX_PARENTS and all(fits(model, recipe) for recipe in chosen):
                handlers.whole_number("seed", generation["seed"], 0, SEED_LIMIT - 1)
                handlers.number_between("mutation", generation["mutation"], 0, 1)
                known.append(generation)
        except (TypeError, KeyError, ValueError):
            continue
    return known[-MAX_GENERATIONS:]


def members(generation: dict[str, Any]) -> tuple[list[Recipe], list[Recipe]]:
    """The parents and the children of a generation."""
    chosen = read_recipes_data(generation["parents"])
    return chosen, children(chosen, LITTER, generation["seed"], generation["mutation"])


def strip(
    context: StudioContext,
    recipes: Sequence[Recipe],
    images: Sequence[Image.Image],
    parents: int,
    number: int,
    language: str,
) -> tuple[str, str]:
    """A generation as one picture, the first `parents` images above their children, with a caption."""
    above, below = contact_sheet(images[:parents], parents), contact_sheet(images[parents:], LITTER // 2)
    sheet = Image.new("RGB", (below.width, above.height + below.height + GAP), "white")
    sheet.paste(above, ((below.width - above.width) // 2, 0))
    sheet.paste(below, (0, above.height + GAP))
    path = context.save(png_bytes(sheet, recipes), f"generation-{number}.png")
    return path, translate(language, "generation", number=number)
