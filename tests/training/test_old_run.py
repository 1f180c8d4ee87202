"""A run of an older artmodels, whose modules had other names, goes on."""

import json
import shutil

import pytest
from helpers import FIXTURES, read_jsonl
from safetensors.torch import load_file
from training_runs import train, weights

from artmodels.hub.load import load_model
from artmodels.training.checkpoint import list_checkpoints

OLD = FIXTURES / "before_the_rooms"


@pytest.mark.slow
def test_an_old_run_goes_on_from_its_checkpoint_to_the_weights_that_it_would_have_had(tmp_path):
    """It was killed between its first checkpoint and its second; what it had logged of that stretch is logged anew.

    With two threads, as then, the weights are the same bit for bit on the machine that made them. One thread, as here,
    rounds otherwise, and Adam makes 5 % of the stretch's change of that; a generator's optimizer that forgot its state
    would make 18 %, and other noise or another sequence of pictures 40 % and more.
    """
    output = shutil.copytree(OLD / "run", tmp_path / "run")
    before, began_with = weights(output), json.loads((output / "config.json").read_text())
    result = train(output, "--resume")
    assert result.returncode == 0, result.stderr
    config = json.loads((output / "config.json").read_text())
    assert config == began_with and config["train"]["images"] == 192
    assert [path.name for path in list_checkpoints(output)] == ["images-00000096", "images-00000192"]
    records = read_jsonl(output / "metrics.jsonl")
    assert [record["images"] for record in records] == [96, 128, 192]
    assert load_model(output / "model").generator.config.styles == tuple(config["data"]["style_counts"])

    expected, found = load_file(OLD / "generator-after-192.safetensors"), weights(output)
    assert expected.keys() == found.keys() == before.keys()
    count = sum(tensor.numel() for tensor in expected.values())
    off = sum((found[name] - expected[name]).abs().sum().item() for name in expected) / count
    change = sum((expected[name] - before[name]).abs().sum().item() for name in expected) / count
    assert change > 0 and off < 0.1 * change, (off, change)
