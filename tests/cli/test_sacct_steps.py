"""Steps under their runs, as sacct lists them: with -X none, with -j 12.0 that one, and in no sum."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from site_books import CONFIG, DAY_G, HOSTILE, HOUR, JANUARY, KW, figure_of, grid, run

from carbonslurm.cli.carbon_sacct import carbon_sacct
from carbonslurm.cli.program import run as command_line
from carbonslurm.cli.sacct_output import FIELDS
from carbonslurm.cli.sacct_steps import NO_STEPS, OF_THE_RUN, STEP_FIELDS
from carbonslurm.core.job import AccountedRun, AccountedStep, Tres
from carbonslurm.ledger.sqlite import SqliteFile
from carbonslurm.ledger.writing import Ledger

if TYPE_CHECKING:
    from pathlib import Path

Call = Callable[..., tuple[int, str, str]]
DAY = ("-a", "-S", "2026-01-01T00:00Z", "-E", "2026-01-02T00:00Z")
UNTIL = JANUARY + 24 * HOUR
JOULES = 4 * KW * 3.6e6  # of four hours


def step(item: AccountedRun, name: str, hours: float, joules: float | None) -> AccountedStep:
    """A step from the start of its run, on half of what that holds."""
    assert item.started
    held = Tres(8, 1, {"a100": 1})
    end = item.started + hours * HOUR
    return AccountedStep(item.key, name, name, "COMPLETED", "0:0", item.started, end, held, joules)


def fill(folder: Path, *, steps: bool) -> Path:
    """Job 12, of Slurm's own energy; task 13_2, modelled; and 14, which has no steps."""
    whole = run(12, 0, 9, 4, energy_joules=JOULES)
    task = run(15, 0, 10, 2, array_job_id=13, array_task=2, energy_joules=JOULES)
    plain = run(14, 0, 12, 1)
    figures = {whole.key: replace(figure_of(whole), energy_method="slurm")}
    figures |= {task.key: figure_of(task), plain.key: figure_of(plain)}
    with Ledger.open(SqliteFile(folder / "ledger.sqlite"), cluster="green") as book:
        book.keep_actual(grid(JANUARY - 24 * HOUR, 72), UNTIL)
        book.keep_runs([whole, task, plain], UNTIL)
        book.keep_figures(list(figures.items()), UNTIL)
        if steps:
            hostile = replace(
                step(whole, "1", 1, 2 * JOULES), job_name=HOSTILE, state="FAILED", exit_code="1:0"
            )
            kept = [step(whole, "0", 2, JOULES / 4), hostile, step(whole, "batch", 4, None)]
            book.keep_steps([*kept, step(task, "0", 2, JOULES / 2)])
    config = folder / "carbonslurm.yaml"
    config.write_text(CONFIG.format(folder=folder))
    return config


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("steps"), steps=True)


@pytest.fixture
def sacct(config: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Call it; return its exit code, what it printed, and what it said beside that."""

    def call(*words: str, path: Path = config) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            command_line(carbon_sacct, ["--config", str(path), *words], "carbon-sacct")
        shown = capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 0), shown.out, shown.err

    return call


def ids(sacct: Call, *words: str) -> list[str]:
    code, out, _ = sacct(*words, "-n", "-P", "-o", "JobID")
    assert code == 0
    return out.splitlines()


def objects(sacct: Call, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sacct(*words, "--json")[1])
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (DAY, ["12", "12.batch", "12.0", "12.1", "13_2", "13_2.0", "14"]),
        ((*DAY, "-X"), ["12", "13_2", "14"]),
        (("-j", "12"), ["12", "12.batch", "12.0", "12.1"]),
        (("-j", "12.0"), ["12.0"]),
        (("-j", "12.batch,12.1,14"), ["12.batch", "12.1", "14"]),
        (("-j", "12.0,12"), ["12", "12.batch", "12.0", "12.1"]),
        (("-j", "13_2.0"), ["13_2.0"]),
        (("-j", "13_1.0"), []),
        (("-j", "15.0,12.7"), ["13_2.0"]),
        (("-j", "14.0"), []),
    ],
)
def test_steps_are_listed_under_their_run(sacct: Call, words: tuple[str, ...], expected: list[str]) -> None:
    assert ids(sacct, *words) == expected


def test_a_step_shows_what_is_its_own_and_no_more(sacct: Call) -> None:
    words = (
        "-n",
        "-P",
        "-o",
        "JobIDRaw,User,Account,State,ExitCode,Elapsed,AllocCPUS,GPUs,ConsumedEnergyRaw,Saved",
    )
    _, out, _ = sacct("-j", "12,15.0", *words)
    own, batch, first, second, task = (line.split("|") for line in out.splitlines())
    assert own[:2] == ["12", "ada"]
    assert batch == ["12.batch", "", "physics", "COMPLETED", "0:0", "04:00:00", "8", "1", "", ""]
    assert first == ["12.0", "", "physics", "COMPLETED", "0:0", "02:00:00", "8", "1", "7200000", ""]
    assert second[:5] == ["12.1", "", "physics", "FAILED", "1:0"]
    assert task[0] == "15.0"


def test_grams_of_a_step_are_its_share_of_the_run_by_energy(sacct: Call) -> None:
    found = {it["job_id"]: it["steps"] for it in objects(sacct, *DAY)["runs"]}
    batch, first, second = found[12]
    assert (first["step"], first["energy_joules"]) == ("0", JOULES / 4)
    assert first["energy_kwh"] == pytest.approx(KW)
    assert first["emitted_g"] == pytest.approx(KW * DAY_G)
    assert (batch["energy_joules"], batch["energy_kwh"], batch["emitted_g"]) == (None, None, None)
    assert second["energy_joules"] == 2 * JOULES
    assert (second["energy_kwh"], second["emitted_g"]) == (None, None), "more than its run's"
    (task,) = found[15]
    assert task["energy_joules"] == JOULES / 2
    assert (task["energy_kwh"], task["emitted_g"]) == (None, None), "the run's figure is modelled"
    assert found[14] == []
    _, out, _ = sacct("-j", "12.0", "-n", "-P", "-o", "Energy,Emitted", "--noconvert")
    assert out == "2000 Wh|600 g\n"


def test_steps_are_in_no_sum(sacct: Call) -> None:
    with_steps, without = objects(sacct, *DAY), objects(sacct, *DAY, "-X")
    assert with_steps["totals"] == without["totals"]
    assert [it["steps"] for it in without["runs"]] == [[], [], []]
    assert objects(sacct, *DAY, "--by", "user")["totals"] == without["totals"]
    rows = list(csv.DictReader(io.StringIO(sacct(*DAY, "--csv")[1])))
    assert len(rows) == 7
    assert sum(float(row["EmittedG"] or 0) for row in rows) == pytest.approx(without["totals"]["emitted_g"])
    assert sum(float(row["EnergyKWh"] or 0) for row in rows) == pytest.approx(without["totals"]["energy_kwh"])


def test_what_is_said_beside_is_of_whole_runs(sacct: Call) -> None:
    assert "3 runs" in sacct(*DAY)[2]
    assert sacct("-j", "12.0")[2] == ""
    assert "1 run:" in sacct("-j", "12.0,14")[2]
    (only,) = objects(sacct, "-j", "12.0")["runs"]
    assert [it["step"] for it in only["steps"]] == ["0"]


def test_a_step_s_name_forges_nothing(sacct: Call) -> None:
    code, out, _ = sacct("-j", "12.1", "-n", "-o", "JobID,JobName%60")
    assert (code, len(out.splitlines())) == (0, 1)
    assert "\x1b" not in out
    (row,) = csv.reader(io.StringIO(sacct("-j", "12.1", "-n", "--csv", "-o", "JobName")[1]))
    assert row[0].startswith("'=1+1")


def test_a_ledger_without_steps_says_so_when_asked_for_one(sacct: Call, tmp_path: Path) -> None:
    config = fill(tmp_path, steps=False)
    assert sacct("-j", "12.0", "-n", "-P", path=config)[:2] == (0, "")
    assert NO_STEPS in sacct("-j", "12.0", path=config)[2]
    assert NO_STEPS not in sacct("-j", "12", path=config)[2]
    assert NO_STEPS not in sacct("-j", "14.0")[2]


def test_a_step_that_runs_has_no_end(config: Path, tmp_path: Path, sacct: Call) -> None:
    path = fill(tmp_path, steps=False)
    item = replace(run(16, 0, 20, 1), ended=None, state="RUNNING", time_limit=24 * HOUR)
    going = replace(step(item, "0", 1, None), ended=None, state="RUNNING")
    with Ledger.open(SqliteFile(tmp_path / "ledger.sqlite"), cluster="green") as book:
        book.keep_runs([item], UNTIL)
        book.keep_steps([going])
        book.mark_accounted("green", JANUARY + timedelta(hours=22))
    _, out, _ = sacct("-j", "16.0", "-n", "-P", "-o", "JobID,State,End,Elapsed", path=path)
    assert out == "16.0|RUNNING|Unknown|02:00:00\n"


def test_columns_of_steps_are_columns() -> None:
    assert (STEP_FIELDS.keys() | OF_THE_RUN) <= FIELDS.keys()
