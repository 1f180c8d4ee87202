"""A run of an older artmodels, whose objective is gone: what was painted so far serves as the start of a new run."""

import json
import shutil

import pytest
from helpers import FIXTURES, assert_one_clear_line, folder_files, read_jsonl
from training_runs import SHORT, train

from artmodels.training.config import TrainConfig, tiny
from artmodels.training.run_config import read_run

OLD = FIXTURES / "before_the_rooms"


@pytest.mark.slow
def test_an_old_run_cannot_go_on_but_its_model_begins_a_new_one(tmp_path):
    output = shutil.copytree(OLD / "run", tmp_path / "run")
    model = str(shutil.copytree(OLD / "model", output / "model"))
    before = folder_files(output)
    assert_one_clear_line(train(output, "--resume"), "objective that artmodels no longer has", f"--init {model}")
    assert folder_files(output) == before
    result = train(tmp_path / "new", *SHORT, "--init", model)
    assert result.returncode == 0, result.stderr
    assert read_jsonl(tmp_path / "new" / "metrics.jsonl")[-1]["images"] == 256


def test_a_run_of_before_tells_of_its_pictures_by_all_numbers(tmp_path):
    told = {name: value for name, value in tiny().to_json().items() if name != "components"}
    (tmp_path / "config.json").write_text(json.dumps({"train": told, "data": {"source": None}}))
    config, *_ = read_run(tmp_path, TrainConfig)
    assert (config.components, tiny().components) == (config.latent_dim, 0)
