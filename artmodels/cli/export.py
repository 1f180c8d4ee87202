"""`export`: write a model as ONNX, for painting without PyTorch."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb


def add_export(verbs: argparse._SubParsersAction) -> None:
    example = "python -m artmodels export checkpoints/masters onnx/"
    parser = add_verb(verbs, "export", _export, "Write a model as ONNX, for painting without PyTorch.", example)
    parser.add_argument("model", help="a model folder, or a Hub id with optional @revision")
    parser.add_argument("out", type=Path, help="a new folder")


def _export(chosen: argparse.Namespace) -> None:
    from artmodels.web.export_onnx import export, size_of

    manifest = export(chosen.model, chosen.out)
    print(
        f"{chosen.out}: {size_of(manifest) / 1e6:.1f} MB, and a manifest; by ONNX Runtime, pictures differ by at most "
        f"{manifest['largest_difference']:g} levels of 255"
    )
