"""What all pages share: the models, the painter, the language, and the parts that a page is made of."""

import html
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import gradio as gr
from gradio.events import Dependency
from PIL import Image

from artmodels.generate.recipe import Recipe, parse_recipe_data
from artmodels.hub.load import LoadedModel
from artmodels.hub.model_cache import ModelCache
from artmodels.studio import handlers
from artmodels.studio.i18n import DEFAULT_LANGUAGE, Complaint, translate, translate_error
from artmodels.studio.served_files import FileStore
from artmodels.studio.visitors import Wishes, visitor

Part = TypeVar("Part", bound=gr.blocks.Block)
Updates = dict[gr.blocks.Block, Any]  # what an event changes; the outputs that are not in it stay as they are

PAINTERS = 24  # visitors served at once: they wait for the painter, who takes them together
PAINTING: dict[str, Any] = {
    "concurrency_limit": PAINTERS,
    "concurrency_id": "painting",
    "show_progress": "hidden",
    "api_visibility": "private",
}
PROGRAMS: dict[str, Any] = {**PAINTING, "concurrency_id": "programs"}
FILMING: dict[str, Any] = {**PAINTING, "concurrency_limit": 1, "concurrency_id": "filming"}
READING: dict[str, Any] = {**PAINTING, "concurrency_limit": 2, "concurrency_id": "prompts"}
QUICK: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
MAX_RECIPES = 60  # in a list that comes from a page
RANDOM_SEED_JS = "() => Math.floor(Math.random() * 100000)"  # short enough to tell a friend
BROWSER_SECRET = "artmodels"  # nothing secret is kept; the same for each start, so that a visitor's things survive it


@dataclass(frozen=True)
class Pictures:
    """A gallery, and beside it the recipes of what it shows."""

    gallery: gr.Gallery
    recipes: gr.JSON

    @property
    def parts(self) -> list[gr.blocks.Block]:
        return [self.gallery, self.recipes]


@dataclass
class StudioContext:
    """Shared by the pages while they are built; the handlers keep nothing in it."""

    models: ModelCache
    paint: handlers.PaintRows
    paint_patiently: handlers.PaintRows  # for what takes long: everybody else comes first
    files: FileStore
    language: gr.Textbox
    current: gr.Textbox  # label of the model that paints
    picked: gr.JSON  # recipe of the picture in the panel
    kept: gr.BrowserState  # recipes
    designs: gr.BrowserState  # {name, weights_sha256, weights} of styles that the visitor made
    family: gr.BrowserState  # {parents, seed, mutation} of generations that the visitor bred
    preview: handlers.PaintRows | None = None  # rough pictures, sooner; none where that would save no time
    preview_patiently: handlers.PaintRows | None = None
    tabs: gr.Tabs = field(init=False)
    spoken: list[tuple[gr.blocks.Block, dict[str, str]]] = field(default_factory=list)
    walls: list[Pictures] = field(default_factory=list)  # whose pictures are named after their recipes

    def add(self, kind: Callable[..., Part], words: dict[str, str], **options: Any) -> Part:
        """A component whose properties in `words` are said in the visitor's language; property -> key of the text."""
        part = kind(**{name: translate(DEFAULT_LANGUAGE, key) for name, key in words.items()}, **options)
        self.spoken.append((part, words))
        return part

    def tell_tabs(self, event: Dependency, state: gr.BrowserState, name: str) -> None:
        """After an event: the visitor's other tabs are told what is stored now, which else they would write over."""
        js = f"(value) => {{ window.artmodels.tellTabs('{name}', value); return []; }}"
        event.success(None, state, None, js=js, api_visibility="private")

    def pictures(
        self,
        label: str,
        elem_id: str,
        wall: handlers.Wall | None = None,
        recipes: Sequence = (),
        *,
        named: bool = False,
    ) -> Pictures:
        """An empty or painted gallery as all of them look here; `named`: after their recipes, and nothing else."""
        gallery = self.add(
            gr.Gallery,
            {"label": label},
            value=wall,
            format="png",
            show_label=False,
            columns=8,
            height="auto",
            object_fit="contain",
            buttons=[],
            allow_preview=False,
            interactive=False,
            type="filepath",  # also where its pictures come back: they stay the files that they are
            elem_id=elem_id,
            elem_classes="wall",
        )
        pictures = Pictures(gallery, gr.JSON(as_data(recipes), visible=False))
        self.walls += [pictures] if named else []
        return pictures

    def picture(self, elem_id: str) -> gr.HTML:
        """The place of one picture, which `figure` fills: an image component would leave it nameless."""
        return gr.HTML("", elem_id=elem_id, elem_classes="picture", padding=False)

    def model_of(self, name: str) -> LoadedModel:
        """The model of a label.

        Raises:
            FileNotFoundError, ValueError, OSError: see `ModelCache.load`.
        """
        return self.models.get(name)

    def hung(self, wall: handlers.Wall, recipes: Sequence[Any], picked: Any) -> gr.Gallery:
        """An update of a gallery that frames the picture in the panel, if it hangs there; recipes as the page has."""
        return gr.Gallery(**framed(wall, recipes, picked))

    def show(
        self, model: LoadedModel, recipes: Sequence[Recipe], language: str
    ) -> tuple[handlers.Wall, list[dict[str, Any]]]:
        """What `Pictures.parts` take."""
        return self.on_walls.all(model, recipes, language), as_data(recipes)

    @property
    def on_walls(self) -> handlers.WallPainter:
        """Paints what is looked at small: by previews, where there are any."""
        return handlers.WallPainter(self.save, self.preview or self.paint, rough=self.preview is not None)

    @property
    def exactly(self) -> handlers.WallPainter:
        """Paints what is taken away: each file is a PNG with its recipe."""
        return handlers.WallPainter(self.save, self.paint)

    def save(self, content: bytes, name: str) -> str:
        """Keep a file for the visitor of this event; the path is one that Gradio serves."""
        return str(self.files.save(content, name, visitor()))

    def save_image(self, image: Image.Image) -> str:
        """A served PNG of an image that carries nothing besides."""
        content = io.BytesIO()
        image.save(content, "PNG")
        return self.save(content.getvalue(), "picture.png")

    def go(self, page: str) -> Any:
        """An update that turns to a page."""
        return gr.Tabs(selected=page)


def framed(wall: handlers.Wall, recipes: Sequence[Any], picked: Any) -> dict[str, Any]:
    """The properties of a gallery that shows a wall and frames the picked picture, if it hangs there."""
    return {"value": wall, "selected_index": recipes.index(picked) if picked in recipes else None}


def named_again(shown: Any, recipes: Any, picked: Any, language: str) -> dict[str, Any]:
    """The properties of a gallery that stays as it is, but for the language in which its pictures are named."""
    names = [handlers.caption(recipe, language) for recipe in read_recipes_data(recipes)]
    if not names or len(shown or []) != len(names):
        return {}
    return framed([(path, name) for (path, _), name in zip(shown, names, strict=True)], recipes, picked)


def figure(path: str, caption: str, title: str) -> str:
    """One picture with its title; `caption` is what a screen reader reads of it."""
    source = f"gradio_api/file={quote(path)}"
    return (
        f"<figure><figcaption>{html.escape(title)}</figcaption>"
        f'<img src="{source}" alt="{html.escape(caption)}"></figure>'
    )


@contextmanager
def clear_errors(language: str) -> Iterator[None]:
    """Whatever is wrong with the input becomes a toast that says so in the visitor's language."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise toast(error, language) from error


def toast(error: Exception, language: str) -> gr.Error:
    """The toast that ends an event."""
    return gr.Error(*_told(error, language), title=translate(language, "trouble"), print_exception=False)


def in_turn(
    button: gr.Button,
    language: gr.Textbox,
    news: gr.HTML,
    stop: gr.Button,
    making: dict[str, Any],
    wishing: tuple[Wishes, gr.Number] | None = None,
) -> Dependency:
    """A click whose event may have to wait for minutes: that is said at once, and it can be stopped.

    After an error nothing says that it goes on. With `wishing` each click is one more wish, whose number the component
    beside it holds before the event begins.
    """

    def wait(language: str, request: gr.Request) -> Updates:
        words = translate(language, "waiting-turn")
        told: Updates = {news: f'<p role="status">{words}</p>', stop: gr.Button(visible=True)}
        return told | ({wishing[1]: wishing[0].one_more(request.session_hash)} if wishing else {})

    numbered = [wishing[1]] if wishing else []
    working = button.click(wait, language, [news, stop, *numbered], **QUICK).then(**making)
    working.failure(lambda: ("", gr.Button(visible=False)), None, [news, stop], **QUICK)
    return working


def gentle(event: dict[str, Any]) -> dict[str, Any]:
    """The same event, of whose requests the last one is always done, and which warns where it would end in an error.

    After an error Gradio's page forgets the request that waits for such an event to end, so that whoever mends a wrong
    value at once would wait for ever.
    """

    def warned(*values: Any) -> Iterator[Any]:
        try:
            yield from results_of(event, values)
        except gr.Error as error:
            gr.Warning(error.message, error.duration, title=error.title)
            yield gr.skip()

    return {**event, "fn": warned, "trigger_mode": "always_last"}


def results_of(event: dict[str, Any], values: Sequence[Any]) -> Iterator[Any]:
    """What the function of an event gives, whether once or many times."""
    done = event["fn"](*values)
    yield from done if isinstance(done, Iterator) else [done]


def warn(error: Exception, language: str) -> None:
    """The same words in a toast that lets the event go on."""
    gr.Warning(*_told(error, language), title=translate(language, "trouble"))


def _told(error: Exception, language: str) -> tuple[str, float]:
    """What a toast says, and for how many seconds."""
    return html.escape(translate_error(error, language)), 8


def progress_words(words: str, share: float) -> str:
    """Words over a bar of which `share`, 0 to 1, is full; the words are HTML."""
    return f'<p role="status">{words}<progress max="1" value="{share:.3f}"></progress></p>'


def as_data(recipes: Sequence[Recipe]) -> list[dict[str, Any]]:
    """Recipes as the page keeps them."""
    return [recipe.to_data() for recipe in recipes]


def read_picked(data: Any) -> Recipe:
    """The recipe of the picture in the panel.

    Raises:
        ValueError: none is there, or a forged one.
    """
    if not data:
        raise Complaint("nothing-picked")
    return parse_recipe_data(data)


def read_recipes_data(data: Any) -> list[Recipe]:
    """The last 60 recipes that the page kept; whatever else a browser's storage holds is left out."""
    recipes = []
    for item in data[-MAX_RECIPES:] if isinstance(data, list) else []:
        try:
            recipes.append(parse_recipe_data(item))
        except ValueError:
            continue
    return recipes


def bank(labels: Sequence[str], values: Sequence[float], places: int) -> list[dict[str, Any]]:
    """Properties of so many sliders, of which the first have labels and are shown."""
    return [
        {"label": labels[place], "value": values[place], "visible": True}
        if place < len(labels)
        else {"label": f"{place + 1}", "value": 0, "visible": False}
        for place in range(places)
    ]


def only_if(flag: gr.Textbox, event: dict[str, Any]) -> dict[str, Any]:
    """The same event, which does nothing while the flag is empty.

    Most visitors come without a link, and a model that does not come changes nothing: no wall is painted for that, and
    none comes late over one that the visitor asked for meanwhile.
    """

    def if_flagged(flagged: str, *values: Any) -> Iterator[Any]:
        yield from results_of(event, values) if flagged else [gr.skip()]

    return {**event, "fn": if_flagged, "inputs": [flag, *event["inputs"]]}


def pick_from(context: StudioContext, pictures: Pictures) -> Dependency:
    """Whoever clicks a picture of a gallery has it in the panel."""

    def pick(recipes: list[dict[str, Any]], event: gr.SelectData) -> dict[str, Any]:
        return recipes[event.index] if event.index < len(recipes) else gr.skip()

    # Each of several quick picks counts, not only the first of them until it is answered.
    return pictures.gallery.select(pick, pictures.recipes, context.picked, trigger_mode="multiple", **QUICK)
