"""`publish`: push a run's best model to the Hub."""

import argparse
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from artmodels.cli.arguments import add_statement_flags, add_verb, read_statement


def add_publish(verbs: argparse._SubParsersAction) -> None:
    example = (
        "python -m artmodels publish runs/mine user/my-painter --license cc-by-4.0 --tag v1 "
        '--provenance "my own drawings, 2019 to 2026"'
    )
    parser = add_verb(verbs, "publish", _publish, "Push a run's best model to the Hugging Face Hub.", example)
    parser.add_argument("path", type=Path, help="a run folder, or a model folder")
    parser.add_argument("repo_id", help="where to, like user/my-painter")
    parser.add_argument("--private", action="store_true", default=None, help="a new repository is private")
    parser.add_argument("--tag", help="also name this version, like v1")
    parser.add_argument("--dry-run", action="store_true", help="print the card and what would be pushed; push nothing")
    parser.add_argument(
        "--onnx",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="export it too, so that pages can paint with it in a browser (default: yes)",
    )
    add_statement_flags(parser)


def _publish(chosen: argparse.Namespace) -> None:
    from artmodels.generate.find_directions import add_directions
    from artmodels.hub.companions.directions import DIRECTIONS_NAME
    from artmodels.hub.model_files import CARD_NAME
    from artmodels.hub.onnx_files import onnx_names
    from artmodels.hub.publish import content_of, find_model_folder, publication, publish, statement_for
    from artmodels.web.export_onnx import add_onnx

    folder = find_model_folder(chosen.path)
    statement = statement_for(folder, chosen.repo_id, read_statement(chosen))
    statement = replace(
        statement,
        license=statement.license or _ask("Licence of the weights, like cc-by-4.0 or other (empty: not stated): "),
        provenance=statement.provenance or _ask("Where do the training pictures come from (empty: not stated)? "),
    )
    if chosen.dry_run:
        files = publication(folder, statement, chosen.onnx)
        print(content_of(files[CARD_NAME]).decode())
        for name, content in files.items():
            size = content.stat().st_size if isinstance(content, Path) else len(content)
            print(f"{size:>12,}  {name}")
        if DIRECTIONS_NAME not in files:
            print(f"  found first  {DIRECTIONS_NAME}, if there are directions to be found")
        if chosen.onnx:
            print(f"  written first  {', '.join(onnx_names())}")
        print(f"nothing was pushed: leave out --dry-run to push this to {chosen.repo_id}")
        return
    if not statement.license:
        print("the card will say that no licence is stated: --license says one", file=sys.stderr)

    def prepare(copy: Path) -> None:
        add_directions(copy)
        if chosen.onnx:
            add_onnx(copy, chosen.repo_id)

    how = {"private": chosen.private, "tag": chosen.tag, "prepare": prepare, "onnx": chosen.onnx}
    print(publish(folder, chosen.repo_id, statement, **how))


def _ask(question: str) -> str | None:
    """What somebody at a terminal answers; nobody is there in a script."""
    with suppress(EOFError):
        return (input(question).strip() if sys.stdin.isatty() else "") or None
    return None
