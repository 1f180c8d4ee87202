"""--minutes: a budget in time becomes one in images, and the run ends with everything written, in time."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from helpers import assert_one_clear_line, read_jsonl, slowness
from training_runs import UNMEASURED, train, train_here

from artmodels.training.checkpoint import list_checkpoints
from artmodels.training.config import cpu, tiny
from artmodels.training.time_budget import CHECKPOINTS, FINISH, LOOKS, SHEETS, TimeBudget


def test_a_plan_waits_for_a_speed_that_will_last_and_uses_up_the_time():
    budget, config = TimeBudget(10), replace(cpu(), images=10**9)
    assert not budget.ready(640, 100.0, settled=False)  # compiling
    assert not budget.ready(3840, 170.0, settled=True)  # from here on it counts
    assert not budget.ready(4480, 186.0, settled=True)
    assert budget.ready(5120, 202.0, settled=True)  # 40 images/s over 32 of 600 seconds
    plan = budget.plan(config, 5120, 210.0, measuring=8.0, pictures=7694)
    assert plan.planned_at == 5120 and plan.images % config.batch_size == 0
    ends = 210 + (plan.images - 5120) / 40 + (CHECKPOINTS + 1) * 8
    assert 580 < ends <= 600
    assert plan.finish == int(FINISH * plan.images)
    checkpoints = [n for n in range(5120, plan.images + 1) if n % plan.checkpoint_every == 0]
    assert CHECKPOINTS - 1 <= len(checkpoints) <= CHECKPOINTS + 1


def test_a_plan_leaves_time_for_what_is_no_step():
    budget = TimeBudget(10)
    budget.ready(3840, 170.0, settled=True)
    with budget.stopped("sheet"):
        pass
    budget.aside, budget.took = 50.0, {"sheet": 5.0, "look": 0.5}
    assert budget.ready(5120, 252.0, settled=True)  # 40 images/s over 32 seconds, as before, and 50 of other things
    assert budget.rate == pytest.approx(40)
    config = replace(cpu(), images=10**9)
    for measuring, most in ((8.0, CHECKPOINTS), (0.5, 340 / 0.5)):  # many, where measuring is a matter of a moment
        plan = budget.plan(replace(config, checkpoint_every=64), 5120, 260.0, measuring, 7694)
        checkpoints = sum(n % plan.checkpoint_every == 0 for n in range(5121, plan.images + 1))
        assert CHECKPOINTS <= checkpoints <= 1 + 0.05 * most if most > CHECKPOINTS else checkpoints == CHECKPOINTS
        ends = 260 + (plan.images - 5120) / 40 + (checkpoints + 1) * measuring + SHEETS * 5 + LOOKS * 0.5
        assert 580 < ends <= 600


def test_a_slow_start_is_planned_by_what_is_known():
    budget = TimeBudget(1)
    assert not budget.ready(64, 10.0, settled=False)
    assert budget.ready(128, 25.0, settled=False)
    plan = budget.plan(replace(tiny(), images=10**9), 128, 25.0, measuring=100.0, pictures=7694)
    assert plan.images == 128 + tiny().batch_size  # one more step, and everything is written


@pytest.mark.parametrize(("pictures", "images"), [(10, 12_000), (51, 12_000), (100, 20_000), (7694, 26_840)])
def test_a_few_pictures_are_not_shown_until_they_are_known_by_heart(pictures, images):
    config = replace(cpu(), images=10**9, heads_after=3000, batch_size=32)
    plan = TimeBudget(10, rate=70.0).plan(config, 5120, 200.0, measuring=20.0, pictures=pictures)
    assert images - config.batch_size < plan.images <= images and plan.finish == int(FINISH * plan.images)
    late = TimeBudget(10, rate=70.0).plan(config, 12_000, 300.0, measuring=8.0, pictures=10)
    assert late.images == 12_032  # one more step, and everything is written


def test_a_small_collection_is_planned_before_it_has_been_shown_too_often():
    """However fast the machine is: the finish of what may be shown is still to come."""
    budget = TimeBudget(8)
    assert not budget.ready(6_400, 20.0, settled=True, most=12_000)
    assert not budget.ready(8_960, 21.0, settled=True, most=12_000)
    assert budget.ready(9_088, 21.1, settled=True, most=12_000)
    plan = budget.plan(replace(cpu(), images=10**9, batch_size=128), 9_088, 21.1, measuring=5.0, pictures=40)
    assert 11_800 < plan.images <= 12_000 and plan.images - plan.finish > 8_800


@pytest.mark.slow
def test_a_run_of_minutes_is_planned_ends_in_time_and_goes_on_by_its_plan(tmp_path):
    output = tmp_path / "run"
    flags = ("--preset", "tiny", "--minutes", "0.4", *UNMEASURED)
    result = train(output, *flags)
    assert result.returncode == 0, result.stderr
    config = json.loads((output / "config.json").read_text())["train"]
    records = read_jsonl(output / "metrics.jsonl")
    assert 0 < config["planned_at"] < config["images"] < 10**6 and config["minutes"] == 0.4
    assert records[-1]["images"] == config["images"] and records[-1]["seconds"] < 1.5 * 24 * slowness()
    assert (output / "model" / "model.safetensors").is_file()
    assert list_checkpoints(output)[-1].name == f"images-{config['images']:08d}"
    seconds = [record["seconds"] for record in records]
    assert all(before <= after for before, after in pairwise(seconds))
    again = train(output, "--resume")
    assert again.returncode == 0 and "is finished" in again.stdout


@pytest.mark.slow
def test_a_run_is_planned_also_where_every_look_is_a_checkpoint(tmp_path):
    flags = ("--preset", "tiny", "--minutes", "0.1", "--checkpoint-every", "64", "--log-every", "64", *UNMEASURED)
    result = train(tmp_path / "run", *flags)
    assert result.returncode == 0, result.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())["train"]
    assert 0 < config["planned_at"] < config["images"] < 10**6
    assert read_jsonl(tmp_path / "run" / "metrics.jsonl")[-1]["seconds"] < 30 * slowness()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--minutes", "0"), ("--minutes must be above 0", "found 0")),
        (("--minutes", "-3"), ("--minutes must be above 0",)),
        (("--minutes", "5", "--images", "1000"), ("--minutes plans the images", "one or the other")),
        (("--minutes", "5", "--finish", "100"), ("--minutes plans the images",)),
        (("--preset", "cpu", "--minutes", "1", "--compile"), ("little more than compiling takes", "--no-compile")),
        (("--images", "1000", "--finish", "2000"), ("finish (2000) must be at most the budget of 1000 images",)),
    ],
)
def test_budgets_that_cannot_be_kept_are_refused_in_one_line(tmp_path, flags, words):
    assert_one_clear_line(train_here("--output", str(tmp_path / "run"), *flags), *words)
    assert not (tmp_path / "run").exists()
