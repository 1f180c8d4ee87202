"""`web`: push a static Space that paints with a model in the visitor's browser."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb


def add_web(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels web user/my-page --model user/my-painter@v1"
    parser = add_verb(verbs, "web", _web, "Push a static Space that paints in the visitor's browser.", example)
    parser.add_argument("repo_id", help="the Space, like user/my-page")
    parser.add_argument("--model", required=True, help="a Hub id with optional @revision, or a model folder")
    parser.add_argument("--studio", help="a studio with the same model: its Space, or its address")
    parser.add_argument("--private", action="store_true", default=None, help="a new Space is private")
    parser.add_argument("--dry-run", type=Path, metavar="DIR", help="write the Space's folder there; push nothing")


def _web(chosen: argparse.Namespace) -> None:
    from artmodels.hub.download import parse_hub_id
    from artmodels.hub.space import write_space
    from artmodels.io.files import check_new
    from artmodels.web.static_space import push_web, studio_address, web_files

    parse_hub_id(chosen.repo_id)
    studio_address(chosen.studio)
    if chosen.dry_run:
        check_new(chosen.dry_run)
    files = web_files(chosen.model, chosen.studio)
    if chosen.dry_run:
        write_space(chosen.dry_run, files)
        print(f"python -m http.server --directory {chosen.dry_run}")
        return
    model = None if Path(chosen.model).is_dir() else parse_hub_id(chosen.model)[0]
    print(push_web(chosen.repo_id, files, model=model, private=chosen.private))
