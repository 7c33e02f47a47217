"""carbonslurm simulate: a table, a stable list of objects, a picture; bad input in one line."""

import gzip
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.sim.registry import POLICIES

KEYS = ["policy", "length", "forecast", "capacity", "jobs", "carbon_kg", "relative", "saved_percent"]
KEYS += ["mean_wait_h", "p95_wait_h", "max_wait_h", "late", "stops", "lost_work_h", "seconds"]
JOBS = "job_id,user,submit_time,duration_s,cpus\n" + "".join(
    f"{number},u,2022-10-{19 + number // 6}T{number * 3 % 24:02}:00Z,{1800 + 900 * number},{1 + number % 3}\n"
    for number in range(12)
)
CARBON = "timestamp,gCO2eq_per_kWh,gCO2eq_per_kWh_direct\n" + "".join(
    f"2022-10-{18 + hour // 24:02}T{hour % 24:02}:00:00Z,{300 - 10 * abs(hour % 24 - 12)},{100 + hour % 24}\n"
    for hour in range(24 * 10)
)
BIN = Path(sys.executable).parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "jobs.csv").write_text(JOBS)
    (tmp_path / "carbon.csv").write_text(CARBON)
    return tmp_path


def called(folder: Path, *words: str) -> Result:
    argv = ["simulate", "--jobs", str(folder / "jobs.csv"), "--carbon", str(folder / "carbon.csv"), *words]
    return CliRunner().invoke(carbonslurm, argv, catch_exceptions=False)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = ["--jobs", str(folder / "jobs.csv"), "--carbon", str(folder / "carbon.csv"), *words]
    argv = [str(BIN / "carbonslurm"), "simulate", *given]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)


def rows(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0
    found: list[dict[str, object]] = json.loads(result.stdout)
    return found


def test_every_policy_in_the_stable_form(folder: Path) -> None:
    words = (
        "--policy",
        "all",
        "--capacity",
        "4",
        "--max-wait",
        "short=6h,long=24h",
        "--length",
        "class-mean",
    )
    found = rows(called(folder, *words, "--json"))
    assert [row["policy"] for row in found] == list(POLICIES)
    assert all(list(row) == KEYS for row in found)
    assert {(row["jobs"], row["capacity"], row["forecast"]) for row in found} == {(12, 4.0, "perfect")}
    assert {row["length"] for row in found} == {"class-mean", "true"}


def test_a_table_without_json(folder: Path) -> None:
    done = run(folder, "--policy", "no-wait,lowest-window")
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["POLICY", "LENGTH", "CARBON_KG"]
    assert [line.split()[0] for line in lines[1:]] == ["no-wait", "lowest-window"]
    assert done.stderr == "carbonslurm: 12 jobs, 1000 W a unit\n"  # and no bar, since nobody watches


def test_one_kilowatt_for_one_hour_at_one_intensity_by_hand(folder: Path) -> None:
    """Twelve kW-hours and a half at noon's 300 g."""
    (folder / "jobs.csv").write_text("submit_time,duration_s,cpus\n2022-10-19T12:00:00Z,3600,2\n")
    (row,) = rows(called(folder, "--policy", "no-wait", "--json"))
    assert row["carbon_kg"] == pytest.approx(0.6)
    (half,) = rows(called(folder, "--policy", "no-wait", "--json", "--power-w", "500"))
    assert half["carbon_kg"] == pytest.approx(0.3)
    (direct,) = rows(called(folder, "--policy", "no-wait", "--json", "--column", "gCO2eq_per_kWh_direct"))
    assert direct["carbon_kg"] == pytest.approx(0.224)


@pytest.mark.parametrize("forecast", ["perfect", "persistence", "own"])
def test_forecasts_by_name(folder: Path, forecast: str) -> None:
    (row,) = rows(called(folder, "--policy", "lowest-window", "--forecast", forecast, "--json"))
    assert row["forecast"] == forecast


def test_forecasts_from_a_file(folder: Path) -> None:
    """It says that hour 15 is the cleanest, and is believed although it is not."""
    (folder / "jobs.csv").write_text("submit_time,duration_s,cpus\n2022-10-19T12:00:00Z,3600,1\n")
    lines = [f"2022-10-19T00:00Z,2022-10-19T{hour:02}:00Z,{10 if hour == 15 else 500}" for hour in range(24)]
    (folder / "f.csv").write_text("\n".join(["issue_time,target_time,forecast", *lines]))
    (row,) = rows(called(folder, "--policy", "lowest-window", "--forecast", str(folder / "f.csv"), "--json"))
    assert (row["mean_wait_h"], row["carbon_kg"]) == (3.0, pytest.approx(0.27))


def test_a_cluster_of_nodes(folder: Path) -> None:
    (folder / "c.yaml").write_text("partitions: {main: {nodes: 1, cpus: 2}}\ndefault: main\n")
    done = called(folder, "--policy", "no-wait", "--cluster", str(folder / "c.yaml"), "--json")
    assert (rows(done)[0]["jobs"], rows(done)[0]["capacity"]) == (8, 2.0)
    assert "8 jobs, 1000 W a unit; left out: 4 larger than the cluster" in done.stderr


def test_offsets_and_weeks(folder: Path) -> None:
    (folder / "jobs.csv").write_text("arrival_time,length,cpus\n0,3600,1\n")
    (row,) = rows(
        called(folder, "--policy", "no-wait", "--anchor", "2022-10-05T12:00Z", "--shift", "2", "--json")
    )
    assert row["carbon_kg"] == pytest.approx(0.3)


def test_intensities_of_two_years(folder: Path) -> None:
    head, *lines = CARBON.splitlines()
    (folder / "carbon.csv").write_text("\n".join([head, *lines[:120]]))
    (folder / "later.csv.gz").write_bytes(gzip.compress("\n".join([head, *lines[120:]]).encode()))
    (row,) = rows(called(folder, "--policy", "no-wait", "--json", "--carbon", str(folder / "later.csv.gz")))
    assert row["jobs"] == 12
    assert row["relative"] == 1.0


def test_what_lies_beyond_the_intensities_is_unknown_and_not_nought(folder: Path) -> None:
    """Four jobs of a day for one CPU: the last runs on the eleventh day, of which nothing is known."""
    lines = [f"2022-10-25T00:0{number}:00Z,86400,1" for number in range(4)]
    (folder / "jobs.csv").write_text("\n".join(["submit_time,duration_s,cpus", *lines]))
    done = called(folder, "--policy", "no-wait", "--capacity", "1", "--json")
    assert (rows(done)[0]["carbon_kg"], rows(done)[0]["relative"]) == (None, None)
    assert "no-wait: runs reach beyond the intensities" in done.stderr


def test_a_picture(folder: Path) -> None:
    pytest.importorskip("matplotlib")
    for name, begins in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml")):
        done = called(
            folder, "--policy", "no-wait,wait-awhile", "--capacity", "6", "--plot", str(folder / name)
        )
        assert done.exit_code == 0
        assert (folder / name).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--policy", "magic"], 64, "--policy: no magic; there are no-wait, "),
        (["--capacity", "4", "--cluster", "c.yaml"], 64, "--capacity and --cluster both say"),
        (["--capacity", "0"], 64, "--capacity: expected more than 0"),
        (["--capacity", "nan"], 64, "--capacity: expected more than 0"),
        (["--max-wait", "6"], 64, "--max-wait: expected a duration"),
        (["--max-wait", "short=6h"], 64, "--max-wait: expected 12h or short=6h,long=24h"),
        (["--param", "x=1"], 64, "--param: no x; there are "),
        (["--param", "beta=low", "--policy", "double-threshold"], 64, "--param beta: expected a number"),
        (["--param", "queue=lifo", "--policy", "no-wait"], 64, "--param queue: expected one of first-fit"),
        (["--length", "limit"], 64, "--length limit: no job of the trace has a time limit"),
        (["--anchor", "soon"], 64, "--anchor: expected a time"),
        (["--power-w", "0"], 64, "--power-w: expected more than 0"),
        (["--power-w", "nan"], 64, "--power-w: expected more than 0"),
        (["--shift", "99999999"], 64, "Invalid value for '--shift': 99999999 is not in the range"),
        (["--plot", "no-such-folder/picture.png"], 77, "no-such-folder/picture.png: there is no folder"),
        (["--plot", "picture.pdf"], 64, "--plot: expected a file that ends in .png or .svg"),
        (["--unit", "gpus"], 65, "no job of the trace has gpus"),
        (["--shift", "50"], 65, "no job lies within the intensities"),
        (["--forecast", "missing.csv"], 69, "missing.csv: No such file or directory"),
        (["--cluster", "missing.yaml"], 69, "missing.yaml: No such file or directory"),
        (["--policy", "anywhere"], 64, "--policy: anywhere chooses among zones"),
        (["--carbon", "B=carbon.csv"], 64, "--carbon: either all files name their zone"),
        (["--transfer", "20"], 64, "--transfer: expected what a GB costs, 20g or 0.06kWh"),
        (["--transfer", "-1g"], 64, "--transfer: expected what a GB costs, 20g or 0.06kWh"),
    ],
)
def test_bad_input_is_one_line_and_a_code(folder: Path, words: list[str], code: int, message: str) -> None:
    done = run(folder, *words)
    assert (done.returncode, done.stdout) == (code, "")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"carbonslurm: {message}")


def test_a_wrong_trace_is_named_with_its_line(folder: Path) -> None:
    (folder / "jobs.csv").write_text(JOBS + "99,u,yesterday,60,1\n")
    done = run(folder)
    words = 'jobs.csv:14: expected a time such as 2022-10-19T16:00:00Z, got "yesterday"'
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr == f"carbonslurm: {folder}/{words}\n"


def test_a_trace_with_a_header_alone_has_no_jobs(folder: Path) -> None:
    (folder / "jobs.csv").write_text(JOBS.splitlines()[0] + "\n")
    done = run(folder)
    assert (done.returncode, done.stderr) == (65, "carbonslurm: no jobs in the trace\n")


def test_the_same_intensities_twice_are_refused_in_words_of_the_command(folder: Path) -> None:
    done = run(folder, "--carbon", str(folder / "carbon.csv"))
    words = "--carbon: carbon.csv and carbon.csv both speak of 2022-10-18T00:00:00Z: "
    assert (done.returncode, done.stderr.startswith(f"carbonslurm: {words}")) == (65, True)


def test_why_no_job_lies_within_the_intensities_is_said(folder: Path) -> None:
    """The last day of the ten is the twenty-seventh; the job may wait for 24 h and runs for 3."""
    (folder / "jobs.csv").write_text("submit_time,duration_s,cpus\n2022-10-27T06:00:00Z,10800,2\n")
    done = run(folder)
    words = "arrives at 2022-10-27T06:00:00Z, and its longest wait of 24 h and its length of 3 h reach beyond"
    assert done.returncode == 65
    assert words in done.stderr


def test_jobs_of_partitions_that_the_cluster_does_not_have_are_counted(folder: Path) -> None:
    lines = [f"2022-10-19T12:00:00Z,3600,2,{name}" for name in ("main", "debug", "gpu", "")]
    (folder / "jobs.csv").write_text("\n".join(["submit_time,duration_s,cpus,partition", *lines]))
    (folder / "c.yaml").write_text("partitions: {main: {nodes: 1, cpus: 2}}\ndefault: main\n")
    done = called(folder, "--policy", "no-wait", "--cluster", str(folder / "c.yaml"), "--json")
    assert (
        "4 jobs, 1000 W a unit; 2 of partitions that the cluster does not have, in its default" in done.stderr
    )


def test_a_saving_above_a_third_is_warned_of(folder: Path) -> None:
    """Eight hours at 900 g, then a day at 100 g."""
    lines = [
        f"2022-10-{19 + hour // 24}T{hour % 24:02}:00:00Z,{900 if hour < 8 else 100}" for hour in range(72)
    ]
    (folder / "carbon.csv").write_text("\n".join(["timestamp,g_per_kwh", *lines]))
    (folder / "jobs.csv").write_text("submit_time,duration_s,cpus\n2022-10-19T00:00:00Z,10800,2\n")
    done = called(folder, "--policy", "no-wait,lowest-window")
    assert "lowest-window: a saving above a third deserves distrust" in done.stderr
    assert "no-wait:" not in done.stderr


def test_two_zones_by_partition(folder: Path) -> None:
    """At home it is 300 g at noon, in the north always 50 g: two jobs move, the third has no room there."""
    (folder / "north.csv").write_text(
        "\n".join(
            ["timestamp,g_per_kwh", *(f"2022-10-{18 + h // 24:02}T{h % 24:02}:00:00Z,50" for h in range(240))]
        )
    )
    (folder / "jobs.csv").write_text(
        "submit_time,duration_s,cpus,partition\n2022-10-19T12:00:00Z,3600,1,main\n"
        "2022-10-19T12:00:00Z,3600,1,main\n2022-10-19T12:00:00Z,3600,4,main\n"
    )
    (folder / "c.yaml").write_text(
        "partitions: {main: {nodes: 1, cpus: 8}, far: {nodes: 1, cpus: 2, zone: N}}\n"
        "together: [[main, far]]\n"
    )
    words = ["--carbon", f"H={folder / 'carbon.csv'}", "--carbon", f"N={folder / 'north.csv'}"]
    argv = ["simulate", "--jobs", str(folder / "jobs.csv"), *words, "--cluster", str(folder / "c.yaml")]
    done = CliRunner().invoke(
        carbonslurm, [*argv, "--policy", "no-wait,anywhere", "--json", "--max-wait", "0"]
    )
    one, other = rows(done)
    assert (one["carbon_kg"], other["carbon_kg"]) == (pytest.approx(1.8), pytest.approx(1.3))
    assert "anywhere: 2 jobs moved, with 0 GB, which emitted 0.00 kg" in done.stderr
    everything = CliRunner().invoke(carbonslurm, [*argv, "--json", "--max-wait", "0"])
    assert [row["policy"] for row in rows(everything)] == [*POLICIES, "anywhere"]
    unclear = CliRunner().invoke(carbonslurm, [*argv, "--forecast", "f.csv"])
    assert "--forecast: with several zones one of perfect" in str(unclear.exception)
    nowhere = CliRunner().invoke(carbonslurm, [*argv[:5], *argv[7:]])
    assert "partition far stands in N: give --carbon N=FILE" in str(nowhere.exception)


def test_a_person_sees_how_far_a_run_is(folder: Path) -> None:
    """A bar for each policy, where stderr is a terminal; stdout is left to the table."""
    lines = [
        f"2022-10-19T{hour:02}:{minute:02}:00Z,600,1" for hour in range(10) for minute in range(0, 59, 4)
    ]
    (folder / "jobs.csv").write_text("\n".join(["submit_time,duration_s,cpus", *lines]))
    ours, theirs = pty.openpty()
    argv = [str(BIN / "carbonslurm"), "simulate", "--jobs", str(folder / "jobs.csv")]
    argv += ["--carbon", str(folder / "carbon.csv"), "--policy", "no-wait,lowest-window"]
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm"}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        while part := some(ours):
            said += part
        assert process.wait(timeout=60) == 0
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"POLICY")
    os.close(ours)
    assert b"no-wait" in said
    assert b"lowest-window" in said
    assert said.count(b"100%") >= 2


def some(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


def test_help_costs_no_numbers() -> None:
    code = "import sys; import carbonslurm.cli.carbonslurm; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "matplotlib"} & set(done.stdout.split())
