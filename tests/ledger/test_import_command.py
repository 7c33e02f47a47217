"""``carbonslurm ledger import --sacct`` and ``ledger aside``: every row of a dump is accounted for."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from carbonslurm.cli.ledger import ledger
from carbonslurm.core.job import AccountedStep, RunKey, Tres
from carbonslurm.errors import DataError, RefusedError, UsageError
from carbonslurm.formats.sacct import FIELDS
from carbonslurm.ledger.reading import Reading
from carbonslurm.ports import RunFilter, RunRow

HEADER = (
    "JobIDRaw|JobID|Submit|Eligible|Start|End|State|ExitCode|User|UID|Account|Partition|QOS|Timelimit|"
    "AllocTRES|ReqTRES|ConsumedEnergyRaw"
)
TRES = "billing=4,cpu=4,gres/gpu:a100=1,gres/gpu=1,mem=8G,node=1|billing=4,cpu=4,node=1"
EVERY_KIND = f"""\
{HEADER}
7|7|1000|1000|1100|2100|COMPLETED|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
7.batch|7.batch|1100|1100|1100|2100|COMPLETED|0:0|||physics||||{TRES}|360000
7.0|7.0|1100|1100|1100|2000|COMPLETED|0:0|||physics||||{TRES}|720000
8|13_1|1000|1000|1100|2100|COMPLETED|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
13|13_[2-5%2]|1000|1000|Unknown|Unknown|PENDING|0:0|ada|1|physics|gpu|normal|02:00:00||cpu=4,node=1|
20|20+0|1000|1000|1100|2100|COMPLETED|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
21|20+1|1000|1000|1100|2100|COMPLETED|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
30|30|1000|1000|1100|1500|REQUEUED|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
30|30|1500|1620|1700|1900|PREEMPTED|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
30|30|1900|2020|2100|2500|COMPLETED|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
31|31|1000|1000|1100|1200|FAILED|1:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
32|32|1000|1000|1100|1200|CANCELLED by 0|0:15|ada|1|physics|gpu|normal|02:00:00|{TRES}|
33|33|1000|1000|None|1200|CANCELLED by 1|0:0|ada|1|physics|gpu|normal|02:00:00||cpu=4,node=1|
34|34|1000|1000|1100|8310|TIMEOUT|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|18446744073709551614
35|35|1000|1000|1100|1300|RESIZING|0:0|ada|1|physics|gpu|normal|02:00:00|cpu=8,node=2|cpu=8,node=2|
35|35|1300|1300|1100|1500|COMPLETED|0:0|ada|1|physics|gpu|normal|02:00:00|cpu=4,node=1|cpu=8,node=2|
36|36|{{now}}|{{now}}|{{now}}|Unknown|RUNNING|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
37|37|1000|1000|1100|2100|COMPLETED|0:0||65533||gpu|normal|02:00:00|{TRES}|
7|7|900000|900000|900100|900200|COMPLETED|0:0|eve|2|maths|cpu|normal|UNLIMITED|cpu=1,node=1||18.45E
40|40|1000|1000|1100|Unknown|RUNNING|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
41|41|1000|1000|1100|0|NODE_FAIL|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
42|42|1000|1000|1100|1200|COMPLETED|0:0|ada|1|a|b|physics|gpu|normal|02:00:00|{TRES}|
43|43|Unknown|1000|1100|1200|COMPLETED|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
44|44|1000|1000|1300|1200|COMPLETED|0:0|ada|1|physics|gpu|normal|02:00:00|{TRES}|
45|45|1000|1000|1100|1200|COMPLETED|0:0|ada|1|physics|gpu|normal|02:00:00|||
45|45|1000|1000|1100|1200|COMPLETED|0:0|ada|1|physics|gpu|normal|02:00:00|||
"""
ASIDE = {
    "40": "a runaway job",
    "41": "NODE_FAIL, and has no end",
    "42": "19 fields instead of 17",
    "43": "no submit time",
    "44": "it ends before it starts",
    "45": "the same row again",
}


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(ledger, [str(word) for word in words])


def _import(file: Path, path: Path, *words: str) -> dict[str, int]:
    result = _run("import", "--sacct", file, "--path", path, "--cluster", "green", "--json", *words)
    assert result.exit_code == 0, result.output
    counts: dict[str, int] = json.loads(result.output)
    assert counts["rows"] == counts["runs"] + counts["steps"] + counts["aside"]
    return counts


def _rows(path: Path) -> Sequence[RunRow]:
    with Reading.open(path) as reading:
        return reading.runs(RunFilter())


def _steps(path: Path) -> Mapping[RunKey, Sequence[AccountedStep]]:
    with Reading.open(path) as reading:
        return reading.steps(RunFilter())


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Every kind of row that there is."""
    file = tmp_path / "sacct.txt"
    file.write_text(EVERY_KIND.replace("{now}", str(int(datetime.now(UTC).timestamp()) - 60)))
    return file


def test_every_kind_of_row_is_a_run_a_step_or_set_aside(dump: Path, path: Path) -> None:
    counts = _import(dump, path)
    assert counts == {"rows": 26, "runs": 18, "steps": 2, "aside": 6, "changed": 18, "newly_aside": 6}
    found = {(row.run.key.job_id, int(row.run.key.submitted.timestamp())): row.run for row in _rows(path)}
    assert len(found) == 18
    assert found[7, 1000].energy_joules == 720_000
    assert (found[7, 900_000].user, found[7, 900_000].energy_joules) == ("eve", None)
    assert [found[8, 1000].shown_id, found[13, 1000].shown_id] == ["13_1", "13"]
    assert found[21, 1000].array_job_id is None
    assert [found[30, at].state for at in (1000, 1500, 1900)] == ["REQUEUED", "PREEMPTED", "COMPLETED"]
    assert [found[32, 1000].state, found[33, 1000].started] == ["CANCELLED", None]
    assert found[34, 1000].energy_joules is None
    assert [found[35, at].tres.nodes for at in (1000, 1300)] == [2, 1]
    assert found[35, 1300].started == found[35, 1000].ended
    (running,) = (run for (number, _), run in found.items() if number == 36)
    assert (running.ended, running.state) == (None, "RUNNING")
    assert found[37, 1000].user == "65533"
    assert found[45, 1000].tres.cpus == 0


def test_the_same_file_again_changes_nothing(dump: Path, path: Path) -> None:
    _import(dump, path)
    before = _rows(path), _steps(path)
    again = _import(dump, path)
    assert (again["changed"], again["newly_aside"]) == (0, 0)
    assert (_rows(path), _steps(path)) == before


def test_steps_are_kept_beside_their_runs(dump: Path, path: Path) -> None:
    _import(dump, path)
    ((run, steps),) = _steps(path).items()
    assert (run.job_id, int(run.submitted.timestamp())) == (7, 1000)
    assert [(it.name, it.energy_joules, it.tres.gpu_count) for it in steps] == [
        ("batch", 360_000, 1),
        ("0", 720_000, 1),
    ]


def test_rows_set_aside_are_listed_with_their_reasons(dump: Path, path: Path) -> None:
    _import(dump, path)
    listed = json.loads(_run("aside", "--json", "--path", path).output)
    assert {item["job"]: item["reason"] for item in listed}.keys() == ASIDE.keys()
    for item in listed:
        assert ASIDE[item["job"]] in item["reason"]
        assert item["row"] in dump.read_text()
    table = _run("aside", "--path", path).output.splitlines()
    assert table[0].split() == ["Cluster", "JobID", "Submit", "Read", "Mended", "Reason"]
    assert len(table) == 7
    plain = _run("aside", "-n", "-P", "--path", path).output.splitlines()
    assert [line.split("|")[1] for line in plain] == list(ASIDE)


def test_a_runaway_job_that_was_mended_leaves_the_list(dump: Path, path: Path) -> None:
    _import(dump, path)
    dump.write_text(dump.read_text().replace("1100|Unknown|RUNNING", "1100|1100|COMPLETED"))
    assert _import(dump, path)["changed"] == 1
    jobs = [item["job"] for item in json.loads(_run("aside", "--json", "--path", path).output)]
    assert jobs == ["41", "42", "43", "44", "45"]
    everything = json.loads(_run("aside", "--json", "--all", "--path", path).output)
    assert [item["job"] for item in everything if item["mended"]] == ["40"]


def test_a_gzipped_file_and_one_without_a_header(dump: Path, path: Path) -> None:
    header, _, body = dump.read_text().partition("\n")
    dump.write_bytes(gzip.compress(body.encode()))
    counts = _import(dump, path, "--columns", header.replace("|", ","))
    assert (counts["rows"], counts["runs"]) == (26, 18)


def test_csv_in_the_names_of_traces(tmp_path: Path, path: Path) -> None:
    (tmp_path / "trace.csv").write_text(
        "job_id,user,submit_time,start_time,end_time,duration_s,gpus,cpus,nodes,state,time_limit_min\n"
        '1,"a, b",2021-01-01T21:18:32Z,2021-01-05T01:01:10Z,2021-01-05T01:06:17Z,307,2,20,1,COMPLETED,60\n'
    )
    assert _import(tmp_path / "trace.csv", path)["runs"] == 1
    (row,) = _rows(path)
    assert (row.run.user, row.run.tres.gpus, row.run.tres.cpus) == ("a, b", {"": 2}, 20)
    assert row.run.started == datetime(2021, 1, 5, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("newer", [False, True])
def test_json_of_any_version(tmp_path: Path, path: Path, newer: bool) -> None:
    def number(value: int) -> object:
        return {"set": True, "infinite": False, "number": value} if newer else value

    job = {
        "job_id": 7,
        "cluster": "green",
        "array": {"job_id": 3, "task_id": number(2)},
        "time": {"submission": 1000, "start": 1100, "end": 2100, "eligible": 1000, "limit": number(60)},
        "state": {"current": ["COMPLETED"] if newer else "COMPLETED"},
        "exit_code": {"return_code": number(0)},
        "user": "ada",
        "tres": {
            "allocated": [
                {"type": "cpu", "name": None, "count": 4},
                {"type": "energy", "name": "", "count": -2},
                {"type": "gres", "name": "gpu:a100", "count": 2},
                {"type": "gres", "name": "gpu", "count": 2},
            ]
        },
        "steps": [
            {
                "step": {"id": "7.batch" if newer else "batch", "name": "batch"},
                "time": {"start": number(1200), "end": number(2000), "elapsed": 800},
                "state": ["CANCELLED"] if newer else "CANCELLED",
                "exit_code": {
                    "return_code": number(0),
                    "signal": {"id" if newer else "signal_id": number(15)},
                },
                "tres": {"allocated": [{"type": "cpu", "name": "", "count": 2}]},
                "statistics": {"energy": {"consumed": number(360_000)}},
            }
        ],
    }
    file = tmp_path / "sacct.json"
    file.write_text(json.dumps({"jobs": [job, "no job"]}, indent=1))
    counts = _import(file, path)
    assert (counts["rows"], counts["runs"], counts["steps"], counts["aside"]) == (3, 1, 1, 1)
    (row,) = _rows(path)
    assert (row.run.shown_id, row.run.energy_joules, row.run.tres.gpus) == ("3_2", 360_000, {"a100": 2})
    started, ended = (datetime.fromtimestamp(at, UTC) for at in (1200, 2000))
    assert _steps(path) == {
        row.run.key: [
            AccountedStep(
                row.run.key, "batch", "batch", "CANCELLED", "0:15", started, ended, Tres(2), 360_000
            )
        ]
    }


@pytest.mark.parametrize(
    ("text", "words", "error", "says"),
    [
        ("", (), DataError, "it is empty"),
        ("JobID|Submit\n7|8\n", (), DataError, "no column Start, End, State"),
        (f"{HEADER}\n7|7|2026-01-02T03:04:05\n", (), UsageError, "--timezone"),
        (f"{HEADER}\n", ("--timezone", "Middle/Earth"), UsageError, "nobody knows it here"),
        ('{"jobs": 3}', (), DataError, "jobs is no list"),
        ("{", (), DataError, "sacct --json"),
    ],
)
def test_a_file_that_is_none_is_one_line(
    tmp_path: Path, path: Path, text: str, words: Sequence[str], error: type[Exception], says: str
) -> None:
    (tmp_path / "dump").write_text(text)
    result = _run("import", "--sacct", tmp_path / "dump", "--path", path, "--cluster", "green", *words)
    assert isinstance(result.exception, error)
    assert says in str(result.exception)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_bytes(b"\x1f\x8b broken")])
def test_a_file_that_cannot_be_read_is_one_line(
    dump: Path, path: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(dump)
    result = _run("import", "--sacct", dump, "--path", path, "--cluster", "green")
    assert isinstance(result.exception, RefusedError)


def test_a_file_of_a_ledger_needs_a_cluster(dump: Path, path: Path) -> None:
    assert isinstance(_run("import", "--sacct", dump, "--path", path).exception, UsageError)


def test_the_help_asks_sacct_for_all_that_the_daemon_asks_for() -> None:
    shown = CliRunner().invoke(ledger, ["import", "--help"]).output
    assert set(FIELDS) <= set(shown.replace(",", " ").split())
