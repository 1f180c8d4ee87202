"""train.py as its users start it: a run from start to model, measured, refused."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import assert_one_clear_line, draw_pictures, image_array, read_jsonl, run
from PIL import Image
from safetensors.torch import load_file
from training_runs import SHORT, UNMEASURED, draw_unseen, same, train, train_alone, train_here

from artmodels.data import procedural
from artmodels.hub.companions.directions import DIRECTIONS_NAME
from artmodels.hub.load import load_model
from artmodels.io.random import seeded_generator
from artmodels.training import launch
from artmodels.training.checkpoint import list_checkpoints
from artmodels.training.config import PRESETS, TrainConfig
from artmodels.training.distributed import check_finite, flat_numbers
from artmodels.training.gan_step import ema_decay, update_ema
from artmodels.training.run_log import read_history


def test_a_published_folder_may_be_read_by_others(finished):
    for path in (finished / "model").iterdir():
        assert path.stat().st_mode & 0o044 == 0o044, path


def test_a_run_leaves_samples_metrics_checkpoints_and_a_model(finished):
    records = read_jsonl(finished / "metrics.jsonl")
    assert [record["images"] for record in records] == [96, 128, 192, 256]
    assert {"discriminator_loss", "generator_loss", "seconds"} <= records[0].keys()
    assert records[-1]["variety"] > 0 and records[-1]["variety_style"] == "flow-field"
    assert [path.name for path in list_checkpoints(finished)] == [
        "images-00000096",
        "images-00000192",
        "images-00000256",
    ]
    sheets = sorted((finished / "samples").iterdir())
    assert [path.name for path in sheets] == ["film.webp", *(f"images-{n:08d}.png" for n in (96, 128, 192, 256))]
    assert "256" in (finished / "report.html").read_text()
    assert image_array(sheets[-1]).std() > 1
    model = finished / "model"
    files = {path.name for path in model.iterdir()}
    needed = {
        "config.json",
        "model.safetensors",
        "README.md",
        "metrics.json",
        "samples.png",
        "history.json",
        "progress.webp",
    }
    assert files - {DIRECTIONS_NAME} == needed
    assert (DIRECTIONS_NAME in files) == ("## Directions" in (model / "README.md").read_text())
    assert load_model(model).generator.config.styles == ("flow-field", "mosaic", "op-art", "stained-glass")
    assert json.loads((model / "metrics.json").read_text())["training"]["images"] == 256


def test_a_run_folder_holds_nothing_that_runs_code(finished):
    files = [path for path in finished.rglob("*") if path.is_file() and path.name != ".lock"]
    assert {path.suffix for path in files} == {".json", ".jsonl", ".safetensors", ".png", ".md", ".html", ".webp"}
    assert json.loads((finished / "split.json").read_text()) == {"held_out": {}}
    assert "<script" not in (finished / "report.html").read_text()


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> Path:
    """The same run as `finished`, measured at each checkpoint by pictures of its own."""
    folder = tmp_path_factory.mktemp("measured")
    flags = [*SHORT, "--test-data", str(draw_unseen(folder / "unseen")), "--evaluate-samples", "32"]
    result = train(folder / "run", *flags)
    assert result.returncode == 0, result.stderr
    assert "(the best so far)" in result.stderr
    return folder / "run"


def test_measuring_changes_nothing_of_a_run_and_its_model_is_the_best(finished, measured):
    assert same(finished, measured)
    judged = [record for record in read_jsonl(measured / "metrics.jsonl") if "evaluation" in record]
    assert [record["images"] for record in judged] == [96, 192, 256]
    distances = [record["evaluation"]["kernel_distance"] for record in judged]
    best = judged[distances.index(min(distances))]["images"]
    assert [record["images"] for record in judged if record.get("best")][-1] == best
    assert all(math.isfinite(record["known_by_heart"]) for record in judged)
    names = ("frechet_distance", "kernel_floor", "precision", "recall", "sliced_wasserstein", "memorisation_ratio")
    assert all(name in judged[0]["evaluation"] for name in names)
    assert set(judged[0]["evaluation"]["styles"]) == set(procedural.STYLES)

    figures = json.loads((measured / "model" / "metrics.json").read_text())
    assert figures["training"]["images"] == best
    assert round(figures["evaluation"]["overall"]["kernel_distance"], 6) == round(min(distances), 6)
    assert "--test-data unseen --samples 32" in figures["evaluation"]["command"]
    assert "kernel distance x 1000" in (measured / "model" / "README.md").read_text()
    assert "Kernel distance" in (measured / "report.html").read_text()


def test_a_collection_that_is_divided_already_is_trained_and_measured_by_its_own_division(tmp_path):
    draw_pictures(tmp_path / "art" / "train", 6)
    shutil.move(draw_unseen(tmp_path / "unseen"), tmp_path / "art" / "test")
    shutil.rmtree(tmp_path / "art" / "test" / "stained-glass")  # a style that is not trained on
    flags = ("--preset", "tiny", "--images", "32", "--evaluate-samples", "16")
    result = train(tmp_path / "run", *flags, "--data", str(tmp_path / "art"))
    assert result.returncode == 0, result.stderr
    assert "its folders divide it: 18 in test, 18 in train" in result.stderr
    assert "18 pictures: flow-field 6, mosaic 6, op-art 6" in result.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"]["pictures"] == 18 and config["data"]["test"]["pictures"] == 18
    assert json.loads((tmp_path / "run" / "split.json").read_text()) == {"held_out": {}}
    assert train(tmp_path / "run", "--resume", "--images", "64").returncode == 0


def test_a_finish_that_makes_the_average_worse_is_ended_and_can_be_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr("artmodels.training.monitor.WORSE_DISTANCE", -0.999)  # as bad as any
    flags = ["--test-data", str(draw_unseen(tmp_path / "unseen")), "--evaluate-samples", "32", "--finish", "128"]
    result = train(tmp_path / "run", *SHORT, *flags)
    assert result.returncode == 0, result.stderr
    assert "stopped while the rates fell: on pictures held out from training, the kernel distance" in result.stderr
    records = read_jsonl(tmp_path / "run" / "metrics.jsonl")
    assert records[-1]["images"] == 192  # the first checkpoint of the finish
    assert list_checkpoints(tmp_path / "run")[-1].name == "images-00000192"
    assert (tmp_path / "run" / "report.html").is_file() and (tmp_path / "run" / "model" / "README.md").is_file()
    monkeypatch.undo()
    assert "is finished: 192 images" in train(tmp_path / "run", "--resume").stdout
    assert train(tmp_path / "run", "--resume", "--images", "256").returncode == 0
    assert read_jsonl(tmp_path / "run" / "metrics.jsonl")[-1]["images"] == 256


def test_the_model_is_the_best_again_after_a_kill_between_its_checkpoint_and_its_publication(measured, tmp_path):
    output = shutil.copytree(measured, tmp_path / "run")
    expected = load_file(output / "model" / "model.safetensors")
    metrics = json.loads((output / "model" / "metrics.json").read_text())
    shutil.rmtree(output / "model")
    result = train(output, "--resume")
    assert result.returncode == 0 and "this run is finished" in result.stdout
    history = [record["images"] for record in json.loads((output / "model" / "history.json").read_text())]
    assert history[-1] == metrics["training"]["images"]
    mended = load_file(output / "model" / "model.safetensors")
    assert all(torch.equal(mended[name], tensor) for name, tensor in expected.items())
    again = json.loads((output / "model" / "metrics.json").read_text())
    assert again["evaluation"] == metrics["evaluation"] and again["training"] == metrics["training"]


@pytest.mark.slow
def test_held_out_pictures_measure_and_evaluate_finds_them_again(tmp_path, artmodels):
    pictures = draw_pictures(tmp_path / "paintings", per_style=12)
    flags = ("--data", str(pictures), "--preset", "tiny", "--images", "32", "--evaluate-samples", "16")
    result = train(tmp_path / "run", *flags)
    assert result.returncode == 0, result.stderr
    held_out = len(json.loads((tmp_path / "run" / "split.json").read_text())["held_out"])
    assert 3 <= held_out <= 15 and f"measured by {held_out} pictures" in result.stderr
    model = tmp_path / "run" / "model"
    in_run = json.loads((model / "metrics.json").read_text())
    assert in_run["training"]["pictures"] == 36 - held_out
    verb = ("evaluate", "--samples", "16", "--data", pictures, "--model")
    result = artmodels(*verb, model)
    assert result.returncode == 0, result.stderr
    after = json.loads(result.stdout)["overall"]
    assert after["test_pictures"] == held_out
    assert after["kernel_distance"] == pytest.approx(in_run["evaluation"]["overall"]["kernel_distance"], rel=0.02)

    draw_unseen(tmp_path / "more")
    shutil.copytree(tmp_path / "more", pictures, dirs_exist_ok=True)
    assert_one_clear_line(artmodels(*verb, model), "is not the collection", "--test-data")
    result = train(tmp_path / "all", *flags, *UNMEASURED)
    assert result.returncode == 0 and "nothing is held out" in result.stderr
    assert_one_clear_line(artmodels(*verb, tmp_path / "all" / "model"), "held no pictures out", "--test-data")


@pytest.mark.slow
def test_what_is_held_out_beside_test_pictures_is_known_again(tmp_path, artmodels):
    pictures, unseen = draw_pictures(tmp_path / "paintings", per_style=12), draw_unseen(tmp_path / "unseen")
    shutil.rmtree(unseen / "stained-glass")
    flags = ("--preset", "tiny", "--images", "16", "--evaluate-samples", "16", "--hold-out", "0.2")
    result = train(tmp_path / "run", "--data", str(pictures), "--test-data", str(unseen), *flags)
    assert result.returncode == 0, result.stderr
    result = artmodels("evaluate", "--samples", "16", "--data", pictures, "--model", tmp_path / "run" / "model")
    assert result.returncode == 0, result.stderr
    held_out = json.loads((tmp_path / "run" / "split.json").read_text())["held_out"]
    assert json.loads(result.stdout)["overall"]["test_pictures"] == len(held_out)


def test_a_run_that_came_meanwhile_is_not_overwritten(tmp_path, monkeypatch, pictures):
    opened, output = launch.open_pictures, tmp_path / "run"

    def slowly_opened(*arguments: Any) -> Any:
        output.mkdir()
        (output / "config.json").write_text("another run's")
        return opened(*arguments)

    monkeypatch.setattr(launch, "open_pictures", slowly_opened)
    result = train(output, "--data", str(pictures), "--preset", "tiny", "--images", "16")
    assert_one_clear_line(result, "already holds a run")
    assert {path.name for path in output.iterdir()} <= {"config.json", ".lock"}
    assert (output / "config.json").read_text() == "another run's"


@pytest.mark.parametrize("short", ["GanTraining.begin", "build_networks"])
def test_short_memory_before_the_first_step_is_one_line(tmp_path, monkeypatch, pictures, short):
    def too_large(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(f"artmodels.training.gan_training.{short}", too_large)
    result = train(tmp_path / "run", "--data", str(pictures), "--preset", "tiny", *UNMEASURED, "--images", "16")
    assert_one_clear_line(result, "the memory of", "--batch-size")


def test_test_pictures_that_do_not_fit_are_refused(tmp_path, pictures, finished, measured):
    flags = ("--data", str(pictures), "--preset", "tiny", "--images", "32")
    unseen = draw_unseen(tmp_path / "unseen", first=9000)
    assert_one_clear_line(
        train(tmp_path / "a", *flags, "--test-data", str(unseen)), "styles that --data lacks: stained"
    )
    assert_one_clear_line(
        train(tmp_path / "b", *flags, "--test-data", str(pictures)), "18 files that are in --data too"
    )
    assert_one_clear_line(
        train(measured, "--resume", "--images", "256", "--test-data", str(unseen)), "the test pictures are not those"
    )
    assert_one_clear_line(train(finished, "--resume", "--test-data", str(unseen)), "the test pictures", "(none then")
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_a_tracker_gets_the_figures(measured, tmp_path):
    output = shutil.copytree(measured, tmp_path / "run")
    result = train(output, "--resume", "--images", "384", "--tracker", "tensorboard")
    assert result.returncode == 0, result.stderr
    script = (
        "from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n"
        f"events = EventAccumulator({str(output / 'artmodels')!r}); events.Reload()\n"
        "print([(tag, [event.step for event in events.Scalars(tag)]) for tag in events.Tags()['scalars']])"
    )
    found = dict(eval(run("-W", "ignore", "-c", script).stdout))
    assert found["discriminator_loss"] == [288, 384] and found["evaluation/kernel_distance"] == [288, 384]
    assert_one_clear_line(train(tmp_path / "other", "--preset", "tiny", "--tracker", "wandb"), "pip install wandb")


def test_nested_numbers_get_joined_names():
    record = {"images": 1, "best": True, "warnings": ["a"], "evaluation": {"recall": 0.5, "styles": {"x": {"v": 1}}}}
    assert flat_numbers(record) == {"images": 1, "evaluation/recall": 0.5, "evaluation/styles/x/v": 1}


@pytest.mark.slow
def test_pictures_that_moved_are_asked_for(tmp_path):
    data = draw_pictures(tmp_path / "art", 6)
    flags = ("--preset", "tiny", *UNMEASURED, "--images", "32")
    assert train(tmp_path / "run", *flags, "--data", str(data)).returncode == 0
    moved = data.rename(tmp_path / "moved")
    assert_one_clear_line(train(tmp_path / "run", "--resume"), f"in {data}, which is gone", "--data")
    assert train(tmp_path / "run", "--resume", "--images", "64", "--data", str(moved)).returncode == 0


def test_a_plan_does_not_need_the_memory_that_it_warns_of(tmp_path):
    flags = ("--preset", "tiny", "--images", "1000000", "--batch-size", "1000000", "--dry-run")
    result = train_alone(tmp_path / "plan", *flags)  # the peak of this process may be from anything before
    assert result.returncode == 0, result.stderr
    (memory,) = [line for line in result.stdout.splitlines() if line.startswith("memory")]
    assert float(memory.split()[1]) > 100 and "of 32 pictures" in memory  # GiB


def test_a_dry_run_tells_the_plan_and_does_nothing(tmp_path):
    result = train(tmp_path / "plan", "--preset", "tiny", "--dry-run")
    assert result.returncode == 0, result.stderr
    for words in ("512 pictures in 4 styles", "2048 images", "parameters", "memory", "time", "nothing was written"):
        assert words in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_counts_what_a_divided_collection_trains_on(tmp_path):
    draw_pictures(tmp_path / "art" / "train", 6)
    draw_pictures(tmp_path / "art" / "test", 3)
    result = train(tmp_path / "plan", "--preset", "tiny", "--data", str(tmp_path / "art"), "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "18 pictures in 3 styles" in result.stdout and "by its own test pictures" in result.stdout


@pytest.mark.slow
def test_two_flat_folders_are_one_style_whatever_they_are_called(tmp_path):
    for name, first in (("paintings", 0), ("unseen", 500)):
        (tmp_path / name).mkdir()
        for index in range(first, first + 12):
            Image.fromarray(procedural.draw("mosaic", index, 32)).save(tmp_path / name / f"{index}.png")
    flags = ["--preset", "tiny", "--images", "32", "--data", str(tmp_path / "paintings"), "--evaluate-samples", "16"]
    result = train(tmp_path / "run", *flags, "--test-data", str(tmp_path / "unseen"))
    assert result.returncode == 0, result.stderr
    assert "unseen, the one style of --test-data, measures paintings" in result.stderr
    told = json.loads((tmp_path / "run" / "model" / "metrics.json").read_text())["evaluation"]
    assert told["overall"]["test_pictures"] == 12 and set(told["styles"]) == {"paintings"}


@pytest.mark.slow
def test_what_the_publisher_said_stays_when_a_better_average_comes(tmp_path, pictures):
    flags = ("--data", str(pictures), "--preset", "tiny", *UNMEASURED, "--images", "32")
    assert train(tmp_path / "run", *flags).returncode == 0
    said = {"license": "cc-by-4.0", "provenance": "drawn by machine"}
    metrics = tmp_path / "run" / "model" / "metrics.json"
    metrics.write_text(json.dumps({**json.loads(metrics.read_text()), "publication": said}))
    assert train(tmp_path / "run", "--resume", "--images", "64").returncode == 0
    assert json.loads(metrics.read_text())["publication"] == said
    assert json.loads(metrics.read_text())["training"]["images"] == 64
    card = metrics.with_name("README.md").read_text()
    assert "license: cc-by-4.0" in card and "drawn by machine" in card


@pytest.mark.slow
def test_what_does_not_load_beside_the_model_costs_a_run_a_warning(tmp_path, pictures):
    flags = ("--data", str(pictures), "--preset", "tiny", *UNMEASURED, "--images", "32")
    assert train(tmp_path / "run", *flags).returncode == 0
    torn, card = (tmp_path / "run" / "model" / name for name in ("prompt.safetensors", "README.md"))
    torn.write_bytes(b"torn")
    result = train(tmp_path / "run", "--resume", "--images", "64")
    assert result.returncode == 0 and f"is used without its prompt: {torn} is not a safe" in result.stderr
    assert torn.read_bytes() == b"torn" and "64 images" in card.read_text() and "## Prompts" not in card.read_text()


@pytest.mark.slow
def test_styles_of_a_folder_become_the_models(tmp_path, pictures):
    flags = ("--data", str(pictures), "--preset", "tiny", *UNMEASURED, "--images", "32")
    assert train(tmp_path / "run", *flags).returncode == 0
    assert load_model(tmp_path / "run" / "model").generator.config.styles == ("flow-field", "mosaic", "op-art")
    assert train(tmp_path / "plain", *flags, "--unconditional", "--flip").returncode == 0
    assert load_model(tmp_path / "plain" / "model").generator.config.styles == ("all",)


def test_existing_runs_and_changed_flags_are_refused(finished, tmp_path):
    before = sorted(path.name for path in finished.iterdir())
    assert_one_clear_line(train(finished, *SHORT), "already holds a run", "--resume")
    assert_one_clear_line(train(finished, "--resume", "--seed", "5"), "--seed 5 differs", "which has 0")
    assert_one_clear_line(train(finished, "--resume", "--batch-size", "32"), "--batch-size 32 differs")
    assert_one_clear_line(train(tmp_path / "none", "--resume"), "holds no run")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("...")
    assert_one_clear_line(train(tmp_path / "letters", *SHORT), "is not empty")
    assert sorted(path.name for path in finished.iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["letters"]


@pytest.mark.slow
def test_a_collection_may_move_but_not_change(tmp_path, pictures):
    flags = ("--data", str(pictures), "--preset", "tiny", *UNMEASURED, "--images", "32")
    assert train(tmp_path / "run", *flags).returncode == 0
    moved = pictures.rename(tmp_path / "moved")
    resume = ("--resume", "--images", "64", "--data", str(moved))
    (moved / "mosaic" / "0.png").rename(tmp_path / "kept.png")
    assert_one_clear_line(train(tmp_path / "run", *resume), "(18 then, 17 now)")
    shutil.copy(moved / "mosaic" / "1.png", moved / "mosaic" / "0.png")  # as many, but not the same
    assert_one_clear_line(train(tmp_path / "run", *resume), "(18 then, 18 now)")
    (tmp_path / "kept.png").rename(moved / "mosaic" / "0.png")
    assert train(tmp_path / "run", *resume).returncode == 0


def test_figures_that_are_not_finite_stop_the_run(tmp_path):
    assert check_finite({"a": 1.0}, tmp_path) == {"a": 1.0}
    with pytest.raises(ValueError, match=r"training diverged.*b nan"):
        check_finite({"a": 1.0, "b": math.nan}, tmp_path)


def test_torn_lines_of_the_log_are_passed_over(tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"images": 1}\n[]\n\xff\x00\n{"images": 2}\n{"images": 3, "sec')
    assert [record["images"] for record in read_history(tmp_path)] == [1, 2]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--images", "3"), "at least one batch"),
        (("--images", "many"), "whole number"),
        (("--images", "-5"), "expected"),
        (("--batch-size", "1"), "at least 2"),
        (("--checkpoint-every", "0"), "at least 1"),
        (("--learning-rate", "0"), "learning_rate"),
        (("--learning-rate", "nan"), "learning_rate"),
        (("--seed", str(2**32)), "seed must be"),
        (("--balance", "2"), "balance must be"),
        (("--hold-out", "0.9"), "hold_out must be"),
        (("--augment", "1.5"), "augment must be"),
        (("--zoom", "-0.1"), "zoom must be"),
        (("--accumulate", "3"), "does not divide into 3 parts"),
        (("--accumulate", "32"), "parts of at least 2"),
        (("--feature-network", "2"), "2 is the judge"),
        (("--evaluate-samples", "2"), "at least 16"),
        (("--preset", "huge"), "invalid choice"),
        (("--colour", "red"), "unrecognized arguments"),
    ],
)
def test_flags_that_make_no_sense_are_refused(tmp_path, flags, expected):
    arguments = ["--output", str(tmp_path / "run"), *flags]
    result = train_here(*arguments)
    assert_one_clear_line(result, expected)
    assert list(tmp_path.iterdir()) == []


def test_compiling_without_a_compiler_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_one_clear_line(train(tmp_path / "run", "--compile"), "compiling needs a C++ compiler", "--no-compile")
    assert not (tmp_path / "run").exists()


def test_data_that_is_none_is_refused(tmp_path):
    output = tmp_path / "run"
    assert_one_clear_line(train(output, "--data", str(tmp_path / "missing")), "no such folder or zip")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    assert_one_clear_line(train(output, "--data", str(tmp_path / "texts")), "holds no picture")
    one = draw_pictures(tmp_path / "one", per_style=1)
    shutil.rmtree(one / "mosaic")
    shutil.rmtree(one / "op-art")
    assert_one_clear_line(train(output, "--data", str(one)), "at least 10 pictures, found 1")
    assert not output.exists()


def test_noise_depends_on_the_whole_key():
    draws = {key: torch.randn(4, generator=seeded_generator(*key)) for key in ((0, 1, 2), (0, 2, 1), (1, 0, 2))}
    assert torch.equal(draws[0, 1, 2], torch.randn(4, generator=seeded_generator(0, 1, 2)))
    assert len({tuple(draw.tolist()) for draw in draws.values()}) == 3


def test_the_average_halves_after_its_half_life_and_ramps_up():
    config = PRESETS["cpu"]()
    steps = config.ema_half_life / config.batch_size
    assert abs(ema_decay(config, 10**9) ** steps - 0.5) < 1e-9
    assert ema_decay(config, 100) < ema_decay(config, 10_000) < ema_decay(config, 10**6)
    average, module = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    expected = average.weight * 0.75 + module.weight * 0.25
    update_ema(average, module, 0.75)
    assert torch.allclose(average.weight, expected)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_consistent_and_survive_json(name):
    config = PRESETS[name]()
    assert config.preset == name
    assert TrainConfig(**json.loads(json.dumps(config.to_json()))) == config


def test_a_run_goes_on_without_a_picture_that_it_left_out_and_where_an_older_version_began_it(tmp_path):
    data = draw_pictures(tmp_path / "data")

    def described() -> dict[str, Any]:
        return launch.open_pictures(str(data), None, 32, lambda styles: None)[2]

    without = described()
    (data / "mosaic" / "broken.png").write_bytes(b"no")
    with_it = described()
    begun_before = {**with_it, "sha256": with_it["former_sha256"]}
    launch.check_same_pictures(with_it, without)
    launch.check_same_pictures(begun_before, with_it)
    for other in (begun_before, {**with_it, "sha256": "0" * 64}):
        with pytest.raises(ValueError, match="the pictures are not those"):
            launch.check_same_pictures(other, without)
    with pytest.raises(ValueError, match="the test pictures are not those"):
        launch.check_same_pictures(without, {**without, "test": without})
