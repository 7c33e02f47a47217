"""Every command explains itself, with examples, and fails in one line with a code that means something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from carbonslurm.cli.carbon_sacct import carbon_sacct
from carbonslurm.cli.carbon_sbatch import carbon_sbatch
from carbonslurm.cli.carbon_squeue import carbon_squeue
from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.cli.carbonslurmd import carbonslurmd

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
COMMANDS = {
    "carbonslurm": carbonslurm,
    "carbonslurmd": carbonslurmd,
    "carbon-sbatch": carbon_sbatch,
    "carbon-squeue": carbon_squeue,
    "carbon-sacct": carbon_sacct,
}


def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for word, part in command.commands.items():
            yield from walk(f"{name} {word}", part)


ALL = [pair for name, command in COMMANDS.items() for pair in walk(name, command)]


def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    argv = [str(BIN / words[0]), *words[1:]]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=60)


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_and_option_has_help(name: str, command: click.Command) -> None:
    assert command.help, name
    undescribed = [
        parameter.opts[0]
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert undescribed == []


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_shown_with_examples(name: str) -> None:
    shown = run(name, "--help")
    assert shown.returncode == 0
    assert "Examples:" in shown.stdout
    assert max(len(line) for line in shown.stdout.splitlines()) <= 100


GROUPS = [name for name, command in ALL if isinstance(command, click.Group)]


@pytest.mark.parametrize("name", GROUPS)
def test_no_description_in_a_list_is_cut(name: str) -> None:
    shown = run(*name.split(), "--help").stdout
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_an_unknown_option_is_one_line_and_64(name: str) -> None:
    if name == "carbon-sbatch":
        pytest.skip("what it does not know is sbatch's")
    refused = run(name, "--no-such-option")
    assert refused.returncode == 64
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["carbon-sacct"], ["carbon-squeue"], ["carbonslurm", "check"]])
def test_a_missing_configuration_is_one_line_and_78(words: list[str], tmp_path: Path) -> None:
    missing = run(*words, "--config", str(tmp_path / "none.yaml"))
    assert missing.returncode == 78
    assert missing.stderr == f"{words[0]}: {tmp_path}/none.yaml: No such file or directory\n"


def test_a_wrong_value_is_named_with_its_path(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        "cluster: c\nledger: /l\nzone: GB\nsources: [{provider: neso, zone: GB}]\npolicy: {threshold: low}\n"
    )
    told = run("carbonslurm", "check", "--config", str(wrong))
    assert (told.returncode, told.stderr) == (
        78,
        'carbonslurm: policy.threshold: expected a number, got "low"\n',
    )


def test_a_reader_who_leaves_is_no_error() -> None:
    argv = f"{BIN / 'carbon-sacct'} --helpformat | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", argv], capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
@pytest.mark.parametrize(
    "words", ["carbon-sacct --helpformat", "carbonslurm --help", "carbonslurm forecast zones --cloud gcp"]
)
def test_an_output_that_cannot_be_written_is_one_line_and_74(words: str) -> None:
    argv = ["bash", "-c", f"{BIN}/{words} >/dev/full"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 74
    said = "the output cannot be written: No space left on device"
    assert done.stderr == f"{words.split(maxsplit=1)[0]}: {said}\n"


def test_an_output_that_is_closed_is_no_traceback() -> None:
    argv = ["bash", "-c", f"{BIN}/carbon-sacct --helpformat >&-"]
    assert subprocess.run(argv, capture_output=True, text=True, check=False).stderr == ""


def test_help_imports_neither_database_nor_numbers() -> None:
    code = "import sys; from carbonslurm.cli import carbon_sbatch; print(*sys.modules)"
    modules = run_python(code).split()
    assert not {"sqlalchemy", "alembic", "numpy", "httpx", "yaml", "msgspec"} & set(modules)


def test_runs_are_shown_without_numbers_being_imported() -> None:
    needs = "config, wiring; from carbonslurm.app import report; from carbonslurm.ledger import accounts"
    shows = "carbon_sacct, sacct_filter, sacct_output, sacct_steps, sacct_totals"
    imported = f"from carbonslurm import {needs}; from carbonslurm.cli import {shows}"
    code = f"import sys; {imported}; print(*sys.modules)"
    assert not {"alembic", "numpy", "httpx", "matplotlib", "pandas"} & set(run_python(code).split())


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
