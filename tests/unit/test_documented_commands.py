"""Each command that README and docs/ print is one that the programs understand, and names files that are there."""

import importlib.util
import re
import shlex
import sys

import pytest
from helpers import ROOT

import train
from artmodels.cli.main import build_parser

OTHERS = ("git", "cd", "pip", "pytest", "hf", "curl", "python app.py", "bash .ci/run")  # not ours, or without flags
LAUNCH = {"--multi_gpu", "--num_processes", "--num_machines", "--machine_rank", "--main_process_ip"}
LAUNCH |= {"--main_process_port", "--mixed_precision", "--dynamo_backend"}


def load(path):
    spec = importlib.util.spec_from_file_location(f"documented_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their types
    spec.loader.exec_module(module)
    return module


def printed() -> list[tuple[str, str]]:
    """Every printed command, with its paper; without what it sets in the environment."""
    found = load(ROOT / "docs/run_commands.py").printed_commands()
    return [(paper, re.sub(r"^([A-Z_]+=\S+ +)+", "", command)) for paper, command in found]


def understand(command: str, monkeypatch) -> None:
    words = shlex.split(command)
    if command.startswith("python -m artmodels"):
        build_parser().parse_args(words[3:])
    elif "train.py" in words:
        place = words.index("train.py")
        assert words[:1] == ["python"] or all(word in LAUNCH for word in words[2:place] if word.startswith("--"))
        train.parse_arguments(words[place + 1 :])
    else:
        assert words[0] == "python"
        path = ROOT / words[1]
        monkeypatch.syspath_prepend(str(path.parent))
        module = load(path)
        monkeypatch.setattr(sys, "argv", words[1:])
        if hasattr(module, "parse_arguments"):
            module.parse_arguments()
        else:
            assert set(words[2:]) <= set(module.SCENES)


@pytest.mark.parametrize(("paper", "command"), printed())
def test_each_printed_command_is_understood(paper, command, monkeypatch):
    if not command.startswith(OTHERS):
        understand(command, monkeypatch)


def test_the_commands_are_found_and_a_wrong_one_is_noticed(monkeypatch, capsys):
    commands = [command for _, command in printed() if not command.startswith(OTHERS)]
    assert len(commands) > 50
    for wrong in ("python -m artmodels paint --seed 3", "accelerate launch train.py --outptu runs/a"):
        with pytest.raises(SystemExit):
            understand(wrong, monkeypatch)
        assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(FileNotFoundError):
        understand("python benchmarks/gone.py", monkeypatch)
