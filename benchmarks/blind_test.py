"""A blind test of a model: real and painted pictures, one at a time, and whoever looks says which are real.

python benchmarks/blind_test.py page --model checkpoints/masters --data test.zip --out blind.html

`page` writes a page that needs nothing else: pictures of every style, as many real as painted, at the same size and the
same compression, in an order drawn by lot. It shows the style, asks "real or painted?", and gives the answers as a
file. It holds the real pictures, so it stays outside the repository; the file has hashes and answers alone.

`score scores.json --results FOLDER` counts the files of one judge or more: how often a painted picture of each style
was taken for real, with Wilson's 95 % interval, and beside it how often a real one was. Guessing gives half of either.

Written to --results: the answers as `answers.json`, and `table.md`.
"""

import argparse
import base64
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from artmodels.cli.arguments import OneLineParser, natural
from artmodels.data.dataset import load_dataset
from artmodels.generate.sampling import paint_seeds
from artmodels.hub.load import load_model
from artmodels.io.errors import main_with_clear_errors
from artmodels.io.files import write_atomically
from artmodels.io.safetensors_io import read_json
from artmodels.metrics.classification import wilson_interval

QUALITY = 92  # of the JPEGs; the paintings have been through one as the real pictures have
SHOWN = 384  # px on the page
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Real or painted?</title>
<style>
body { margin: 0; min-height: 100vh; display: grid; place-content: center; justify-items: center; gap: 16px;
  background: #222; color: #eee; font: 18px Georgia, serif; text-align: center; }
img { width: min(%(shown)dpx, 90vw); }
button { font: inherit; padding: 12px 28px; margin: 0 8px; }
</style>
<p id="progress"></p><img id="picture" alt="Real or painted?"><p id="style"></p>
<p><button id="real">Real (r)</button><button id="painted">Painted (p)</button></p>
<script>
const deck = %(deck)s, answers = [], by = (id) => document.getElementById(id);
function show() {
  const next = deck.pictures[answers.length];
  by('progress').textContent = `${Math.min(answers.length + 1, deck.pictures.length)} of ${deck.pictures.length}`;
  if (!next) { finish(); return; }
  by('picture').src = 'data:image/jpeg;base64,' + next.jpeg;
  by('style').textContent = next.style;
}
function answer(real) {
  const { jpeg, ...told } = deck.pictures[answers.length] ?? {};
  if (jpeg) { answers.push({ ...told, taken_for_real: real }); show(); }
}
function finish() {
  const text = JSON.stringify({ weights_sha256: deck.weights_sha256, answers }, null, 1);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = link.textContent = 'scores.json';
  document.body.replaceChildren('Thank you. Your answers: ', link);
  window.scores = text;
}
by('real').onclick = () => answer(true);
by('painted').onclick = () => answer(false);
onkeydown = ({ key }) => { if (key === 'r') answer(true); if (key === 'p') answer(false); };
show();
</script></html>
"""


def write_page(chosen: argparse.Namespace) -> None:
    model = load_model(chosen.model)
    styles = model.generator.config.styles
    data = load_dataset(chosen.data, model.generator.config.resolution)
    if set(data.styles) != set(styles):
        raise ValueError(f"--data must have the styles of the model: {', '.join(styles)}")
    random = np.random.default_rng(chosen.seed)
    deck: list[dict[str, Any]] = []
    for style in styles:
        (own,) = np.nonzero(data.labels == data.styles.index(style))
        count = min(chosen.pictures, len(own))
        if count < chosen.pictures:
            print(f"{style} has {count} pictures in --data: as many are painted", file=sys.stderr)
        real = [Image.fromarray(data.pictures[data.rows[index]]) for index in random.permutation(own)[:count]]
        seeds = random.choice(2**32, count, replace=False).tolist()
        painted = paint_seeds(model.generator, style, seeds, chosen.truncation)
        painted = [Image.open(io.BytesIO(jpeg(image))) for image in painted]  # as the real ones once were
        deck += [card(image, style, True) for image in real] + [card(image, style, False) for image in painted]
    shuffled = [deck[place] for place in random.permutation(len(deck))]
    text = json.dumps({"weights_sha256": model.weights_sha256, "pictures": shuffled})
    write_atomically(chosen.out, (PAGE % {"shown": SHOWN, "deck": text}).encode())
    print(f"{chosen.out}: {len(deck)} pictures, half of them real")


def card(image: Image.Image, style: str, real: bool) -> dict[str, Any]:
    content = jpeg(image)
    digest = hashlib.sha256(content).hexdigest()
    return {"sha256": digest, "style": style, "real": real, "jpeg": base64.b64encode(content).decode()}


def jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.convert("RGB").save(content, "JPEG", quality=QUALITY, subsampling=0)
    return content.getvalue()


def score(chosen: argparse.Namespace) -> None:
    found = [read_json(path) for path in chosen.files]
    if len({each["weights_sha256"] for each in found}) > 1:
        raise ValueError("the files are of several models: score those of one")
    answers = [answer for each in found for answer in each["answers"]]
    chosen.results.mkdir(parents=True, exist_ok=True)
    kept = {"weights_sha256": found[0]["weights_sha256"], "answers": answers}
    (chosen.results / "answers.json").write_text(json.dumps(kept) + "\n", "utf-8")
    text = table(answers, found[0]["weights_sha256"], len(found))
    (chosen.results / "table.md").write_text(text, "utf-8")
    print(text, end="")


def table(answers: list[dict[str, Any]], weights: str, judges: int) -> str:
    lines = [
        "# Real or painted?",
        "",
        f"Weights {weights[:12]}, {len(answers)} answers of {judges} judge{'s'[: judges - 1]}.",
        "",
        "| style | painted | of them taken for real (95 % interval) | real | of them taken for real (95 % interval) |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for style in [*sorted({answer["style"] for answer in answers}), "all"]:
        cells = []
        for real in (False, True):
            taken = [a["taken_for_real"] for a in answers if a["real"] is real and style in (a["style"], "all")]
            low, high = wilson_interval(sum(taken), len(taken))
            cells += [str(len(taken)), f"{sum(taken) / max(len(taken), 1):.0%} ({low:.0%} to {high:.0%})"]
        lines.append(f"| {style} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def parse_arguments() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True, metavar="page|score")
    page = kinds.add_parser("page", help="write the page")
    page.add_argument("--model", required=True, help="a folder with a model, or its name on the Hub")
    page.add_argument("--data", required=True, metavar="PATH", help="real pictures that it was not trained on")
    page.add_argument("--pictures", type=natural, default=40, help="real ones of each style at most (default: 40)")
    page.add_argument("--truncation", type=float, default=0.8, help="as in generate (default: 0.8)")
    page.add_argument("--seed", type=natural, default=0, help="of what is drawn by lot (default: 0)")
    page.add_argument("--out", required=True, type=Path, metavar="HTML", help="where the page goes")
    page.set_defaults(do=write_page)
    counted = kinds.add_parser("score", help="count answers")
    counted.add_argument("files", nargs="+", type=Path, metavar="JSON", help="what the page gave")
    counted.add_argument("--results", required=True, type=Path, metavar="FOLDER", help="where the table goes")
    counted.set_defaults(do=score)
    return parser.parse_args()


def main() -> int:
    chosen = parse_arguments()
    return main_with_clear_errors(lambda: chosen.do(chosen))


if __name__ == "__main__":
    sys.exit(main())
