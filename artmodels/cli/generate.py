"""`generate`: paint pictures, each a PNG that carries its recipe."""

import argparse
from pathlib import Path

from artmodels.cli.arguments import add_verb


def add_generate(verbs: argparse._SubParsersAction) -> None:
    example = (
        "python -m artmodels generate --model checkpoints/masters --style ukiyo-e --seeds 0-15 "
        "--truncation 0.8 --out pictures/ --grid"
    )
    parser = add_verb(verbs, "generate", _generate, "Paint pictures, each a PNG that carries its recipe.", example)
    parser.add_argument("--model", required=True, help="a model folder or a Hub id")
    parser.add_argument("--style", help="one of the model's styles; without it, each of them in turn")
    parser.add_argument("--prompt", metavar="PHRASE", help='what to paint, like "a stormy sea at night, romanticism"')
    parser.add_argument("--seeds", default="0-7", help="like 7, 0-15 or 1,4,10-12 (default: 0-7)")
    parser.add_argument("--truncation", type=float, default=0.8, help="0 (the typical) to 1.5 (the wild); default 0.8")
    parser.add_argument("--out", type=Path, default=Path("pictures"), help="folder for the PNGs (default: pictures)")
    parser.add_argument("--grid", action="store_true", help="also a contact sheet, grid.png")
    parser.add_argument("--shared-layouts", action="store_true", help="give a seed one layout in all styles")
    parser.add_argument(
        "--enlarge", type=int, choices=(1, 2, 4), default=1, help="1, 2 or 4 times as large (default: 1)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: cpu)")


def _generate(chosen: argparse.Namespace) -> None:
    from artmodels.generate.sampling import check_truncation, parse_seeds

    seeds = parse_seeds(chosen.seeds)
    check_truncation(chosen.truncation)
    if chosen.out.exists() and not chosen.out.is_dir():
        raise ValueError(f"--out {chosen.out} is a file: name a folder")
    if chosen.prompt is not None and chosen.style is not None:
        raise ValueError("--prompt and --style do not go together: name the style in the prompt")

    from artmodels.generate.save import paint_prompt_to_folder, paint_to_folder
    from artmodels.hub.load import load_model
    from artmodels.io.device import pick_device

    model = load_model(chosen.model, pick_device(chosen.device))
    if chosen.prompt is not None:
        print(
            paint_prompt_to_folder(
                model, chosen.prompt, seeds, chosen.truncation, chosen.out, chosen.grid, chosen.enlarge
            )
        )
        return
    count = paint_to_folder(
        model,
        chosen.style,
        seeds,
        chosen.truncation,
        chosen.out,
        chosen.grid,
        chosen.enlarge,
        chosen.shared_layouts,
    )
    print(f"{count} pictures in {chosen.out}")
