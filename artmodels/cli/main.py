"""`python -m artmodels VERB`: each verb is a file beside this one."""

from artmodels.cli.arguments import OneLineParser
from artmodels.cli.benchmark import add_benchmark
from artmodels.cli.dance import add_dance
from artmodels.cli.dream import add_dream
from artmodels.cli.evaluate import add_evaluate
from artmodels.cli.export import add_export
from artmodels.cli.film import add_film
from artmodels.cli.generate import add_generate
from artmodels.cli.music import add_music
from artmodels.cli.project import add_project
from artmodels.cli.publish import add_publish
from artmodels.cli.recipe import add_recipe
from artmodels.cli.space import add_space
from artmodels.cli.styles import add_styles
from artmodels.cli.transfer import add_transfer
from artmodels.cli.web import add_web
from artmodels.io.errors import main_with_clear_errors

VERBS = (
    add_generate,
    add_evaluate,
    add_recipe,
    add_film,
    add_music,
    add_dance,
    add_transfer,
    add_project,
    add_dream,
    add_styles,
    add_publish,
    add_space,
    add_web,
    add_export,
    add_benchmark,
)


def build_parser() -> OneLineParser:
    parser = OneLineParser(prog="python -m artmodels", description="Paint, measure, rebuild, publish.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for add in VERBS:
        add(verbs)
    return parser


def main(arguments: list[str] | None = None) -> int:
    chosen = build_parser().parse_args(arguments)
    return main_with_clear_errors(lambda: chosen.run(chosen))
