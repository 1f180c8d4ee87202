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


def printed() -> list[tuple[str, str]]:
    """Every command in a fenced block of shell, with the paper that prints it; continued lines are one."""
    found = []
    for paper in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in re.findall(r"^```sh\n(.*?)^```", paper.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            for line in block.replace("\\\n", " ").splitlines():
                for command in re.sub(r"(^|\s)#.*", "", line).split("&&"):
                    words = re.sub(r"^([A-Z_]+=\S+ +)+", "", command.strip())
                    found += [(str(paper.relative_to(ROOT)), words)] if words else []
    return found


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
        spec = importlib.util.spec_from_file_location(f"documented_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.syspath_prepend(str(path.parent))
        spec.loader.exec_module(module)
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
