"""`recipe`: print the recipe of a picture, and paint it again."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb


def add_recipe(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels recipe picture.png --repaint again.png --model checkpoints/masters"
    parser = add_verb(verbs, "recipe", _recipe, "Print the recipe of a picture, and paint it again.", example)
    parser.add_argument("picture", type=Path, help="a PNG that artmodels painted")
    parser.add_argument("--repaint", type=Path, metavar="PNG", help="paint it again into this file")
    parser.add_argument("--model", help="the model to repaint with (default: the bundled one that the recipe names)")
    parser.add_argument("--anyway", action="store_true", help="repaint although the model's weights have changed since")


def _recipe(chosen: argparse.Namespace) -> None:
    from artmodels.generate.recipe import parse_recipes, read_chunk
    from artmodels.optimize.provenance import parse_provenance

    text = read_chunk(chosen.picture)
    if derived := parse_provenance(text):
        print(derived.to_json())
        print(f"needs\n{derived.needs()}\nthen, on this machine the very same picture:\n  {derived.command()}")
        if chosen.repaint:
            raise ValueError("--repaint paints what a model painted; this picture needs files: type the command above")
        return
    recipes = parse_recipes(text)
    for recipe in recipes:
        print(recipe.to_json())
    if chosen.repaint:
        from artmodels.generate.save import repaint

        repaint(recipes, chosen.repaint, chosen.model, chosen.anyway)
