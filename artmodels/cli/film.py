"""`film`: paint a smooth walk through pictures."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb, check_out, natural


def add_film(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels film one.png two.png three.png --out film.mp4 --seconds 10 --size 256"
    parser = add_verb(verbs, "film", _film, "Paint a smooth walk through pictures, as an MP4 or a WebP.", example)
    parser.add_argument("pictures", type=Path, nargs="+", help="2 to 12 PNGs that artmodels painted, in order")
    parser.add_argument("--out", type=Path, required=True, help="the film: a name that ends in .mp4 or .webp")
    parser.add_argument("--seconds", type=float, default=10, help="1 to 30 (default: 10)")
    parser.add_argument("--fps", type=natural, default=24, help="frames per second, 8 to 30 (default: 24)")
    parser.add_argument("--size", type=natural, default=256, help="px, an even number up to 512 (default: 256)")
    parser.add_argument(
        "--loop", action=argparse.BooleanOptionalAction, default=True, help="end where it began (default: yes)"
    )
    parser.add_argument("--easing", default="smooth", help="smooth: slow at each picture; even (default: smooth)")
    parser.add_argument("--model", help="the model to paint with (default: the bundled one that the recipes name)")
    parser.add_argument("--anyway", action="store_true", help="paint although the model's weights have changed since")


def _film(chosen: argparse.Namespace) -> None:
    check_out(chosen.out)
    from artmodels.generate.film import FilmSpec
    from artmodels.generate.recipe import read_recipes
    from artmodels.generate.save import repaint_as_film

    spec = FilmSpec(chosen.seconds, chosen.fps, chosen.size, chosen.loop, chosen.easing)
    recipes = [recipe for picture in chosen.pictures for recipe in read_recipes(picture)]
    repaint_as_film(recipes, chosen.out, spec, chosen.model, chosen.anyway)
    print(f"{spec.frames} frames of {spec.size} px in {chosen.out}")
