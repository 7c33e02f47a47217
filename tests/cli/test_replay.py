"""carbonslurm replay: a site's past out of sacct, sinfo and the ledger, or out of files."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from carbonslurm import wiring
from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.cli.program import run as command_line
from carbonslurm.config import load
from carbonslurm.core.forecast import Issue, Kind, Nature, Scope, Series

BIN = Path(sys.executable).parent
NOON = datetime(2026, 10, 19, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NATURE = Nature(Kind.AVERAGE, Scope.OPERATIONAL)
CONFIG = """
cluster: hpc
ledger: {folder}/ledger.sqlite
zone: GB
zones: {{north: NORTH}}
sources:
  - {{provider: neso, zone: GB}}
  - {{provider: energy-charts, zone: NORTH, country: de}}
slurm: {{path: {folder}}}
power: {{cpu_watts: 1000, cpu_utilisation: 1, node_watts: 0, pue: 1}}
"""
NODES = [
    "n1@main@idle@0/2/0/2@(null)@gpu:0#",
    "n1@debug@idle@0/2/0/2@(null)@gpu:0#",
    "n2@north@down*@0/0/4/4@(null)@gpu:0#",
]
# Three hours at 300 g, then clean ones.
CARBON = [300.0, 300.0, 300.0, *[100.0] * 93]


def row(
    job: int,
    submit: float,
    start: float,
    end: float | None,
    cpus: int = 1,
    partition: str = "main",
    tag: str = "",
) -> str:
    """A line of sacct's, times in hours after noon."""
    moments = [
        "Unknown" if at is None else str(int((NOON + at * HOUR).timestamp()))
        for at in (submit, submit, start, end)
    ]
    state = "RUNNING" if end is None else "COMPLETED"
    words = [
        "hpc",
        str(job),
        str(job),
        *moments,
        state,
        "0:0",
        "ada",
        "1000",
        "science",
        partition,
        "normal",
        "1-00:00:00",
    ]
    return "@".join([*words, f"cpu={cpus},node=1", "", "", "", "", tag, "train"])


def in_this_process(said: pytest.CaptureFixture[str], argv: list[str]) -> subprocess.CompletedProcess[str]:
    with pytest.raises(SystemExit) as ended:
        command_line(carbonslurm, argv, name="carbonslurm")
    out, err = said.readouterr()
    return subprocess.CompletedProcess(argv, int(ended.value.code or 0), out, err)


class Site:
    """A site in a folder: its configuration, its Slurm's programs, its ledger."""

    def __init__(self, folder: Path, said: pytest.CaptureFixture[str] | None = None) -> None:
        self.folder, self.said = folder, said
        (folder / "carbonslurm.yaml").write_text(CONFIG.format(folder=folder))
        self.program("sinfo", "".join(f"{each}\n" for each in NODES))

    def program(self, name: str, said: str, code: int = 0) -> None:
        """Put a program in the place of one of Slurm's; @ is its delimiter, # the end of a row."""
        (self.folder / f"{name}.said").write_text(said)
        path = self.folder / name
        path.write_text(
            f'#!/bin/sh\necho "$@" >> {self.folder}/called\n'
            'for word; do case "$word" in\n'
            "--delimiter=*) mark=${word#--delimiter=};;\n"
            "--Format=*) mark=${word#*:}; mark=${mark%%,*}; end=${word##*:};;\n"
            "esac; done\n"
            f'sed "s/@/${{mark:-@}}/g; s/#/${{end:-#}}/g" {self.folder}/{name}.said\nexit {code}\n'
        )
        path.chmod(0o755)

    def sacct(self, *rows: str) -> None:
        self.program("sacct", "".join(f"{each}\n" for each in rows))

    def measure(self, values: list[float], zone: str = "GB", since: datetime = NOON) -> None:
        """Keep hours of intensity; NaN is an hour of which nothing is known."""
        edges = since.timestamp() + 3600.0 * np.arange(len(values) + 1)
        with wiring.ledger(load(self.folder / "carbonslurm.yaml")) as book:
            for index, value in enumerate(values):
                if value == value:  # noqa: PLR0124 - not NaN
                    step = Series(
                        zone, "neso", NATURE, edges[index : index + 2], np.array([value]), np.zeros(1, bool)
                    )
                    book.keep_actual(step, NOON)

    def publish(self, values: list[float], at: datetime) -> None:
        edges = at.timestamp() + 3600.0 * np.arange(len(values) + 1)
        series = Series("GB", "neso", NATURE, edges, np.array(values), np.ones(len(values), bool))
        with wiring.ledger(load(self.folder / "carbonslurm.yaml")) as book:
            book.keep_issue(Issue(series, at, at))

    def replay(self, *words: str) -> subprocess.CompletedProcess[str]:
        window = ["-S", f"uts{int(NOON.timestamp())}", "-E", f"uts{int((NOON + 24 * HOUR).timestamp())}"]
        given = [] if "-S" in words else window
        argv = ["replay", "--config", str(self.folder / "carbonslurm.yaml"), *given, *words]
        assert self.said is not None
        return in_this_process(self.said, argv)

    def rows(self, *words: str) -> dict[str, dict[str, object]]:
        done = self.replay("--json", *words)
        assert done.returncode == 0, done.stderr
        return {each["policy"]: each for each in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with four days of CARBON, to copy."""
    made = Site(tmp_path_factory.mktemp("measured"))
    made.measure(CARBON)
    return made.folder / "ledger.sqlite"


@pytest.fixture
def site(tmp_path: Path, measured: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    for file in measured.parent.glob("ledger.sqlite*"):
        shutil.copy(file, tmp_path)
    return Site(tmp_path, capsys)


def test_a_past_by_hand(site: Site) -> None:
    """Two jobs of two CPUs and a node of two: the second waited for the first, and waits in the model too.

    At 1 kW a CPU: at once 2 x 300 + 2 x 300 g; as it was, the second from 13:30 on; in the clean hours 100 g.
    """
    site.sacct(row(1, 0, 0, 1, 2), row(2, 0, 1.5, 2.5, 2))
    found = site.rows("--policy", "lowest-window", "--length", "true", "--max-wait", "12h")
    assert list(found) == ["history", "no-wait", "lowest-window"]
    real, model, policy = found.values()
    assert (real["carbon_kg"], real["mean_wait_h"], real["length"]) == (pytest.approx(1.2), 0.75, None)
    assert (model["carbon_kg"], model["mean_wait_h"], model["late"]) == (pytest.approx(1.2), 0.5, 0)
    assert policy["carbon_kg"] == pytest.approx(0.4)
    assert (policy["jobs"], policy["flexible"], policy["capacity"]) == (2, 2, 2.0)


def test_sacct_is_asked_once_for_all_attempts_of_all_users_and_sinfo_for_nodes(site: Site) -> None:
    site.sacct(row(1, 0, 0, 1))
    site.rows("--policy", "no-wait")
    asked = (site.folder / "called").read_text().splitlines()
    assert len(asked) == 2
    assert asked[0].startswith("--duplicates --allusers --allocations --parsable2 --noheader")
    assert f"--starttime=uts{int(NOON.timestamp())}" in asked[0]
    assert asked[1].startswith("--noheader --all --Node --Format=NodeList:")


def test_jobs_that_may_not_wait_run_as_they_come_and_what_others_cost_them_is_said(site: Site) -> None:
    """Flexible jobs all move to 15:00, where one that may not wait arrives, and finds the node full."""
    flexible = [row(number, 0, 0, 4, 1, "debug") for number in (1, 2)]
    site.sacct(*flexible, row(3, 5, 5, 6, 1, "main"))
    words = [
        "--flexible",
        "partition=debug",
        "--max-wait",
        "3h",
        "--length",
        "true",
        "--policy",
        "lowest-window",
    ]
    found = site.rows(*words)
    assert found["no-wait"]["other_wait_h"] == 0
    assert (found["lowest-window"]["flexible"], found["lowest-window"]["flexible_wait_h"]) == (2, 3.0)
    assert found["lowest-window"]["other_wait_h"] == 2.0
    assert found["lowest-window"]["late"] == 0  # nobody promised it anything
    said = site.replay(*words).stderr
    assert "jobs that may not wait do wait longer than under no-wait: lowest-window +2.00 h" in said
    assert "3 jobs, of which 2 may wait, with 89 % of the energy; capacity: 6 nodes" not in said
    assert "3 jobs, of which 2 may wait, with 89 % of the energy; capacity: 2 nodes" in said


def test_tagged_jobs_wait_for_as_long_as_they_said(site: Site) -> None:
    tag = "carbon:v=1,flex=7200,by=owner"
    site.sacct(row(1, 0, 0, 1, tag=tag), row(2, 0, 0, 1))
    found = site.rows("--flexible", "tagged", "--policy", "threshold", "--param", "threshold=10")
    assert (found["threshold"]["flexible"], found["threshold"]["flexible_wait_h"]) == (1, 2.0)


def test_what_was_under_way_holds_its_place_and_what_still_runs_lasts_until_the_end(site: Site) -> None:
    """One that began before the window holds the node for an hour of it; one has not ended by its end."""
    site.sacct(row(1, -5, -4, 1, 2), row(2, 0, 1, None, 2))
    found = site.rows(
        "--policy",
        "no-wait",
        "-S",
        f"uts{int(NOON.timestamp())}",
        "-E",
        "uts" + str(int((NOON + 6 * HOUR).timestamp())),
    )
    assert (found["history"]["jobs"], found["history"]["flexible"]) == (2, 1)
    assert found["history"]["carbon_kg"] == pytest.approx(2 * (3 * 0.3 + 3 * 0.1))
    assert found["no-wait"]["carbon_kg"] == found["history"]["carbon_kg"]


def test_what_was_under_way_goes_before_what_waited_then(site: Site) -> None:
    """The second was submitted first, and waited for the first one's two CPUs, then and in the model."""
    site.sacct(row(1, -6, 1, 2, 2), row(2, -5, -4, 1, 2))
    found = site.rows("--policy", "no-wait")
    assert (found["history"]["max_wait_h"], found["no-wait"]["max_wait_h"]) == (1.0, 1.0)
    assert found["no-wait"]["other_wait_h"] == 0.0


def test_hours_of_which_nothing_is_known_are_in_no_sum(site: Site) -> None:
    site.measure([200.0, float("nan"), 200.0], since=NOON + 96 * HOUR)
    site.sacct(row(1, 96, 96, 97), row(2, 96.5, 97.5, 98))
    window = [
        "-S",
        f"uts{int((NOON + 96 * HOUR).timestamp())}",
        "-E",
        f"uts{int((NOON + 99 * HOUR).timestamp())}",
    ]
    done = site.replay("--policy", "no-wait", "--json", *window)
    assert [each["carbon_kg"] for each in json.loads(done.stdout)] == [pytest.approx(0.2)] * 2
    assert "1 jobs ran through hours without a measured intensity under some policy" in done.stderr


def test_rows_that_cannot_be_read_are_counted_and_named_and_jobs_that_do_not_fit_counted(site: Site) -> None:
    site.sacct(
        row(1, 0, 0, 1), row(2, 0, 0, 1, 5), row(3, 0, 2, 1), "hpc@4@short", row(5, 0, 0, 1, 1, "gone")
    )
    done = site.replay("--policy", "no-wait")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert lines[:3] == [
        "carbonslurm: 2 rows could not be read:",
        "carbonslurm: sacct: run of job 3: it ends before it starts",
        "carbonslurm: sacct: run of job 4: 3 fields instead of 22",
    ]
    assert lines[3].endswith(
        "left out: 1 of partitions that the cluster does not have, 1 larger than the cluster"
    )


def test_each_partition_s_zone_counts(site: Site) -> None:
    """The same job here, and in the north where it is always clean."""
    site.measure([50.0] * 96, zone="NORTH")
    site.sacct(row(1, 0, 0, 1), row(2, 0, 0, 1, partition="north"))
    found = site.rows("--policy", "lowest-window", "--length", "true")
    assert found["history"]["carbon_kg"] == pytest.approx(0.35)
    assert found["no-wait"]["carbon_kg"] == pytest.approx(0.35)
    assert found["lowest-window"]["carbon_kg"] == pytest.approx(0.15)
    assert found["lowest-window"]["capacity"] == 2.0  # nodes, of both


def test_forecasts_as_they_were_issued(site: Site) -> None:
    """What was published at noon promised a clean hour at 13:00, which was not; and was believed."""
    site.publish([300.0, 10.0, 300.0, 300.0], NOON - timedelta(minutes=1))
    site.sacct(row(1, 0, 0, 1))
    found = site.rows("--policy", "lowest-window", "--forecast", "issued", "--length", "true")
    assert (found["lowest-window"]["mean_wait_h"], found["lowest-window"]["carbon_kg"]) == (
        pytest.approx(1.0, abs=0.02),
        pytest.approx(0.3),
    )
    assert "the forecast is perfect" not in site.replay("--policy", "no-wait", "--forecast", "issued").stderr


def test_the_model_is_held_against_what_was(site: Site) -> None:
    site.sacct(row(1, 0, 1, 2), row(2, 0, 2, 3))
    said = site.replay("--policy", "no-wait").stderr
    assert "the model without waiting: jobs wait 0.00 h (95 %: 0.00 h); they really waited 1.50 h" in said
    assert "a job's wait is off by 1.50 h on average" in said


def test_a_table_and_a_picture(site: Site) -> None:
    pytest.importorskip("matplotlib")
    site.sacct(row(1, 0, 0, 1))
    done = site.replay("--policy", "threshold", "--plot", str(site.folder / "a.png"))
    assert done.stdout.splitlines()[0].split()[-3:] == ["FLEX_W_H", "OTHER_W_H", "SECONDS"]
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["history", "no-wait", "threshold"]
    assert (site.folder / "a.png").read_bytes().startswith(b"\x89PNG")


def test_files_need_no_site(tmp_path: Path) -> None:
    """A dump of sacct with its header, local times in UTC; carbon and nodes from files."""
    (tmp_path / "jobs.txt").write_text(
        "JobID|Submit|Eligible|Start|End|State|Partition|AllocCPUS|Timelimit\n"
        "1|2026-10-19T10:00:00|2026-10-19T12:00:00|2026-10-19T12:00:00|2026-10-19T13:00:00|COMPLETED|main|2|02:00:00\n"
        "1.batch|2026-10-19T10:00:00|2026-10-19T12:00:00|2026-10-19T12:00:00|2026-10-19T13:00:00|COMPLETED||2|\n"
    )
    lines = [
        f"2026-10-{19 + hour // 24}T{hour % 24:02}:00:00Z,{300 if hour < 15 else 100}" for hour in range(96)
    ]
    (tmp_path / "c.csv").write_text("\n".join(["timestamp,g_per_kwh", *lines]))
    (tmp_path / "n.yaml").write_text("partitions: {main: {nodes: 1, cpus: 2}}\n")
    argv = [str(BIN / "carbonslurm"), "replay", "--json", "--policy", "lowest-window", "--power-w", "2000"]
    argv += ["--jobs", "jobs.txt", "--carbon", "c.csv", "--cluster", "n.yaml"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert "could not be read" not in done.stderr  # a step is no bad row
    real, _, policy = json.loads(done.stdout)
    assert (real["carbon_kg"], real["mean_wait_h"]) == (
        pytest.approx(0.6),
        0.0,
    )  # it waited for its own begin
    assert policy["carbon_kg"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--flexible", "some"], 64, "--flexible: expected all, tagged, partition=NAME,"),
        (["--flexible", "limit=4"], 64, "--flexible: expected all, tagged, partition=NAME,"),
        (["--flexible", "limit=4..8"], 64, "--flexible limit: expected a duration such as 90m or 12h"),
        (["--policy", "magic"], 64, "--policy: no magic; there are no-wait, "),
        (["--capacity", "0"], 64, "--capacity: expected more than 0"),
        (["--power-w", "0"], 64, "--power-w: expected more than 0"),
        (["-S", "now", "-E", "now-2days"], 64, "--endtime now-2days does not lie behind --starttime"),
        (["-S", "soon"], 64, "expected a time such as 18:00"),
        (["--forecast", "issued", "--carbon", "c.csv"], 64, "--forecast issued are the ledger's"),
        (["--forecast", "issued"], 65, "no forecast of zone GB (average, operational) is in the ledger from"),
        (["--jobs", "offsets.csv"], 64, "-S and -E choose among jobs with times"),
        (["--jobs", "missing.csv"], 69, "missing.csv: No such file or directory"),
    ],
)
def test_bad_input_is_one_line_and_a_code(
    site: Site, words: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site.folder)
    (site.folder / "offsets.csv").write_text("arrival_time,length,cpus\n0,60,1\n")
    site.sacct(row(1, 0, 0, 1))
    done = site.replay(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1].startswith(f"carbonslurm: {message}")


def last(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.returncode, done.stderr.removeprefix("carbonslurm: ").strip()


def test_what_is_missing_is_said_in_one_line_with_a_code(site: Site) -> None:
    site.sacct()
    code, words = last(site.replay())
    assert (code, words.partition(" from")[0]) == (65, "sacct knows of no run")
    site.sacct(row(1, 300, 300, 301))
    window = [
        "-S",
        f"uts{int((NOON + 300 * HOUR).timestamp())}",
        "-E",
        f"uts{int((NOON + 310 * HOUR).timestamp())}",
    ]
    code, words = last(site.replay(*window))
    assert (code, words.partition(" from")[0]) == (65, "no measured intensity of zone GB")
    assert "carbonslurm forecast fetch --since 2026-11-01T00:00:00Z GB asks for it" in words
    (site.folder / "ledger.sqlite").unlink()
    code, words = last(site.replay(*window))
    assert (code, "ledger" in words) == (74, True)
    site.program("sacct", "", 1)
    assert last(site.replay()) == (69, "sacct: ended with 1 and no word")


def test_without_sacct_or_without_a_configuration_one_line_says_so(site: Site, tmp_path: Path) -> None:
    argv = [str(BIN / "carbonslurm"), "replay", "--config", str(site.folder / "carbonslurm.yaml")]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={"PATH": str(tmp_path / "empty")}
    )
    assert last(done) == (69, "sacct: no such command: Slurm's commands must be in PATH")
    argv = [str(BIN / "carbonslurm"), "replay", "--config", str(tmp_path / "none.yaml")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    code, words = last(done)
    assert (code, "none.yaml" in words) == (78, True)
