"""A run killed, stopped, torn, extended, and shared by two processes: it goes on as if nothing had been."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from helpers import ROOT, assert_one_clear_line, read_jsonl, run
from training_runs import SHORT, UNMEASURED, begin, draw_unseen, same, train, train_alone, train_here, wait_for

from artmodels.hub.load import load_model
from artmodels.training.checkpoint import list_checkpoints
from artmodels.training.gan_training import GanTraining

pytestmark = pytest.mark.slow
LONGEST = 600.0  # seconds for what takes a few on a quiet machine


def wait_for_a_step(process: subprocess.Popen, output: Path) -> None:
    """Until a run has said something of its first steps; from then on it hears signals."""
    wait_for(output / "metrics.jsonl")
    while not (output / "metrics.jsonl").read_text() and process.poll() is None:
        time.sleep(0.1)


def kill_while_writing(process: subprocess.Popen, output: Path, pattern: str) -> str:
    """SIGKILL a run when a half-written folder with a fitting name is there; the name. A busy machine may miss some."""
    deadline = time.monotonic() + LONGEST

    def half_written() -> str | None:
        return next((path.name for path in output.glob(".*") if re.match(pattern, path.name)), None)

    while process.poll() is None and time.monotonic() < deadline:
        if half_written():
            process.send_signal(signal.SIGSTOP)
            if name := half_written():
                process.kill()
                process.wait()
                return name
            process.send_signal(signal.SIGCONT)
    pytest.fail(f"{pattern} was never seen half-written")


def test_a_run_killed_again_and_again_ends_in_the_same_weights(finished, tmp_path):
    """While it writes a checkpoint, while it writes its model, with its newest checkpoint torn, and at any moment."""
    output = tmp_path / "killed"
    flags = [*SHORT]
    flags[flags.index("--checkpoint-every") + 1] = "32"  # when a run is saved changes nothing of it
    torn_name = kill_while_writing(begin(output, *flags), output, r"\.images-(?!00000032)\d{8}")
    whole = [path.name for path in list_checkpoints(output)]
    assert whole and all(not torn_name.startswith(f".{name}") for name in whole)
    kill_while_writing(begin(output, "--resume"), output, r"\.model")

    newest = list_checkpoints(output)[-1]
    torn = newest / "heads.safetensors"
    torn.write_bytes(torn.read_bytes()[:-100])
    with (output / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"images": 10**6}) + "\n")  # what a later, lost stretch had logged
    process = begin(output, "--resume")
    time.sleep(random.uniform(1, 7))
    process.kill()
    process.wait()

    result = train(output, "--resume")
    assert result.returncode == 0, result.stderr
    assert same(finished, output)
    assert read_jsonl(output / "metrics.jsonl")[-1]["images"] == 256
    assert json.loads((output / "model" / "metrics.json").read_text())["training"]["images"] == 256
    assert not [path.name for path in output.glob(".*") if path.name != ".lock"]

    again = train(output, "--resume")
    assert again.returncode == 0 and "this run is finished" in again.stdout


def test_a_torn_checkpoint_is_warned_of_and_the_one_before_it_used(finished, tmp_path):
    output = shutil.copytree(finished, tmp_path / "torn")
    (output / "images-00000256" / "ema.safetensors").unlink()
    result = train(output, "--resume")
    assert result.returncode == 0 and "images-00000256 is damaged" in result.stderr
    assert same(finished, output)


def test_a_batch_in_parts_trains_and_adapting_augmentation_resumes_exactly(tmp_path):
    flags = ("--preset", "tiny", *UNMEASURED, "--accumulate", "2", "--augment", "0.5", "--augment-target", "0.6")
    every = ("--checkpoint-every", "112")  # not where the share is adapted
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(whole, *flags, *every, "--images", "288").returncode == 0
    assert train(parts, *flags, *every, "--images", "160").returncode == 0
    assert train(parts, "--resume", "--images", "288").returncode == 0
    assert same(whole, parts)
    shares, of_whole = (
        {record["images"]: record["augment"] for record in read_jsonl(output / "metrics.jsonl")}
        for output in (parts, whole)
    )
    assert all(shares[images] == of_whole[images] for images in (112, 128, 224, 256, 288))
    assert shares[112] == 0.5 and {shares[128], shares[224]} == {shares[128]} != {0.5}


def test_a_finished_run_extends_to_what_a_longer_one_would_be(finished, tmp_path):
    extended, whole = tmp_path / "extended", tmp_path / "whole"
    shutil.copytree(finished, extended)
    assert train(extended, "--resume", "--images", "320").returncode == 0
    assert train(whole, *SHORT, "--images", "320").returncode == 0
    assert same(extended, whole)


def test_a_signal_leaves_a_checkpoint_and_a_model_and_says_how_to_go_on(tmp_path):
    output = tmp_path / "stopped"
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # also where the tests themselves run in a background
    flags = ("--preset", "tiny", *UNMEASURED, "--images", "1000000")
    process = begin(output, *flags, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    wait_for_a_step(process, output)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LONGEST)
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in errors and "of 1,000,000 images: continue with --resume" in errors
    images = int(list_checkpoints(output)[-1].name.removeprefix("images-"))
    assert images > 0 and images % 16 == 0
    assert read_jsonl(output / "metrics.jsonl")[-1]["images"] == images
    assert load_model(output / "model").generator.config.resolution == 32


@pytest.mark.parametrize(
    ("number", "moment", "images"),
    [
        (signal.SIGTERM, "as it begins", 0),
        (signal.SIGTERM, "in a step", 32),
        (signal.SIGHUP, "in a step", 32),
        (signal.SIGTERM, "in a step that fails, since its compiler hears the signal, too", 0),
        (signal.SIGTERM, "in a later step that fails", 32),
    ],
)
def test_a_signal_at_any_moment_ends_with_how_to_go_on(tmp_path, monkeypatch, number, moment, images):
    heard = signal.signal(number, signal.SIG_DFL)
    step, begin = GanTraining.step, GanTraining.begin

    def stopped_step(self: GanTraining, images: int) -> None:
        if images < (0 if "compiler" in moment else 48 if "fails" in moment else 16):
            return step(self, images)
        os.kill(os.getpid(), number)
        if "fails" in moment:
            raise RuntimeError("g++ has ended")
        return step(self, images)

    def stopped_begin(self: GanTraining) -> AbstractContextManager:
        os.kill(os.getpid(), number)
        return begin(self)

    with monkeypatch.context() as stopping:
        name, stopped = ("begin", stopped_begin) if "begins" in moment else ("step", stopped_step)
        stopping.setattr(GanTraining, name, stopped)
        result = train(tmp_path / "run", "--preset", "tiny", *UNMEASURED, "--images", "64", "--checkpoint-every", "32")
    signal.signal(number, heard)
    assert result.returncode == 128 + number
    assert result.stderr.endswith(f"stopped after {images} of 64 images: continue with --resume\n")
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == ["images-00000032"] * bool(images)
    result = train(tmp_path / "run", "--resume")
    assert result.returncode == 0 and list_checkpoints(tmp_path / "run")[-1].name == "images-00000064"


def test_minutes_that_are_not_planned_yet_take_no_images_beside_them(tmp_path):
    output = tmp_path / "stopped"
    flags = ("--preset", "tiny", *UNMEASURED, "--minutes", "60")
    process = begin(output, *flags, stderr=subprocess.PIPE, text=True)
    wait_for_a_step(process, output)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=LONGEST)
    assert "images: continue with --resume" in errors and "1,000,000,000" not in errors
    assert "1,000,000,000" not in (output / "report.html").read_text()
    for flag in ("--images", "--finish"):
        assert_one_clear_line(
            train_here("--output", str(output), "--resume", flag, "6400"), "--minutes has not planned"
        )


def test_a_run_whose_launcher_is_gone_stops_with_a_checkpoint(tmp_path):
    output = tmp_path / "orphan"
    flags = ["--output", str(output), "--preset", "tiny", *UNMEASURED, "--images", "1000000"]
    code = f"import subprocess, sys; subprocess.run([sys.executable, 'train.py', *{flags!r}])"
    environment = {**os.environ, "ACCELERATE_MIXED_PRECISION": "no"}  # as `accelerate launch` sets it
    launcher = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL, env=environment)
    wait_for(output / "metrics.jsonl")
    (run,) = psutil.Process(launcher.pid).children()
    launcher.kill()
    launcher.wait()
    psutil.wait_procs([run], timeout=LONGEST)
    assert not run.is_running()
    images = int(list_checkpoints(output)[-1].name.removeprefix("images-"))
    assert read_jsonl(output / "metrics.jsonl")[-1]["images"] == images


def test_processes_that_do_not_know_of_each_other_are_refused(tmp_path):
    """As torchrun, or accelerate for several GPUs, starts them where no GPU is visible."""
    environment = {**os.environ, "WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("ACCELERATE_USE_CPU", None)
    result = train_alone(tmp_path / "run", "--preset", "tiny", env=environment)
    assert_one_clear_line(result, "2 processes were started, but accelerate counts 1", "ACCELERATE_USE_CPU=true")
    assert not (tmp_path / "run").exists()


def test_learning_rates_may_change_on_resume_and_it_is_noted(finished, tmp_path):
    output = shutil.copytree(finished, tmp_path / "run")
    config = json.loads((output / "config.json").read_text())
    for later in ("min_channels", "freeze", "late_doubling"):  # as if begun before these dials were there
        del config["train"][later]
    (output / "config.json").write_text(json.dumps(config))
    result = train(output, "--resume", "--images", "288", "--learning-rate", "0.00005", "--ema-ramp-up", "1")
    assert result.returncode == 0, result.stderr
    config = json.loads((output / "config.json").read_text())
    assert config["train"]["learning_rate"] == 5e-5
    assert config["changes"] == [
        {"images": 256, "field": "ema_ramp_up", "from": 0.1, "to": 1.0},
        {"images": 256, "field": "images", "from": 256, "to": 288},
        {"images": 256, "field": "learning_rate", "from": 5e-4, "to": 5e-5},
    ]


def test_two_runs_never_share_a_folder(tmp_path):
    output = tmp_path / "run"
    process = begin(output, "--preset", "tiny", *UNMEASURED, "--images", "1000000")
    try:
        wait_for(output / "metrics.jsonl")
        assert_one_clear_line(train(output, "--resume"), "another process is training")
    finally:
        process.kill()
        process.wait()


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path):
    """A limit on the size of files stands in for the disk; the samples still fit, the next state does not."""
    output = tmp_path / "run"
    assert train(output, "--preset", "tiny", *UNMEASURED, "--images", "32").returncode == 0
    script = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000));"
        f"sys.argv = ['train.py', '--output', {str(output)!r}, '--resume', '--images', '64'];"
        "runpy.run_path('train.py', run_name='__main__')"
    )
    result = run("-c", script)
    assert result.returncode == 2 and "error: could not write" in result.stderr and "Traceback" not in result.stderr
    assert [path.name for path in list_checkpoints(output)] == ["images-00000032"]
    assert load_model(output / "model")
    assert train(output, "--resume", "--images", "64").returncode == 0


def start_two(output: Path, *flags: str) -> subprocess.Popen:
    """train.py over two gloo processes, launched as the README says."""
    launch = "launch --multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --dynamo_backend no"
    command = [str(Path(sys.executable).parent / "accelerate"), *launch.split(), "train.py", "--output", str(output)]
    return subprocess.Popen(
        [*command, *flags],
        cwd=ROOT,
        env={**os.environ, "ACCELERATE_USE_CPU": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_share_the_batch_and_resume_exactly(tmp_path):
    """One set of files; killed without warning and resumed, bit for bit the weights of the uninterrupted run.

    The batch is taken in parts, the augmentation adapts, and only the whole run is measured, by its first process.
    """
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    flags = (*SHORT, "--accumulate", "2", "--augment", "0.5", "--augment-target", "0.6")
    process = start_two(whole, *flags, "--test-data", str(draw_unseen(tmp_path / "unseen")), "--evaluate-samples", "16")
    _, errors = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, errors[-3000:]
    records = read_jsonl(whole / "metrics.jsonl")
    assert [record["images"] for record in records] == [96, 128, 192, 256]
    assert "evaluation" in records[0] and records[1]["augment"] != 0.5
    assert load_model(whole / "model")

    process = start_two(killed, *flags)
    wait_for(killed / "images-00000096")
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()  # first, so that it says nothing of the others
    for each in children:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.communicate()
    process = start_two(killed, "--resume")
    _, errors = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, errors[-3000:]
    assert same(whole, killed)

    process = start_two(whole, *SHORT)
    _, errors = process.communicate(timeout=LONGEST)
    assert process.returncode != 0 and "already holds a run" in errors


def test_a_failed_process_ends_the_run_with_a_message_and_the_run_goes_on(tmp_path):
    output = tmp_path / "run"
    flags = ("--preset", "tiny", *UNMEASURED, "--images", "100000", "--checkpoint-every", "96")
    process = start_two(output, *flags)
    wait_for(output / "images-00000096")
    others = [each for each in psutil.Process(process.pid).children(recursive=True) if "train.py" in each.cmdline()]
    (second,) = [each for each in others if each.environ().get("RANK") == "1"]
    second.kill()
    _, errors = process.communicate(timeout=LONGEST)
    assert process.returncode != 0
    assert "another process of this run has ended" in errors and "continue with --resume" in errors, errors[-3000:]
    images = int(list_checkpoints(output)[-1].name.removeprefix("images-"))
    process = start_two(output, "--resume", "--images", str(images + 64))
    _, errors = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, errors[-3000:]
