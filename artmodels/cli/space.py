"""`space`: push a Space that paints with a model from the Hub."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb


def add_space(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels space user/my-space --model user/my-painter@v1 --hardware zero-a10g"
    parser = add_verb(verbs, "space", _space, "Push a Space that paints with a model from the Hub.", example)
    parser.add_argument("repo_id", help="the Space, like user/my-space")
    parser.add_argument("--model", required=True, help="a Hub id with optional @revision; its commit is pinned")
    parser.add_argument("--hardware", help="like zero-a10g or cpu-basic (default: what the Hub gives)")
    parser.add_argument("--private", action="store_true", default=None, help="a new Space is private")
    parser.add_argument("--dry-run", type=Path, metavar="DIR", help="write the Space's folder there; push nothing")


def _space(chosen: argparse.Namespace) -> None:
    from artmodels.hub.download import parse_hub_id
    from artmodels.hub.space import HARDWARE, push_space, space_files, write_space

    parse_hub_id(chosen.repo_id)
    if chosen.hardware and chosen.hardware not in HARDWARE:
        raise ValueError(f"--hardware must be one of {', '.join(HARDWARE)}, found {chosen.hardware[:40]!r}")
    files = space_files(chosen.model, chosen.hardware)
    if chosen.dry_run:
        write_space(chosen.dry_run, files)
        print(f"cd {chosen.dry_run} && pip install -r requirements.txt && python app.py")
        return
    print(push_space(chosen.repo_id, files, hardware=chosen.hardware, private=chosen.private))
