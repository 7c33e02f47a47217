"""carbonslurm forecast, as people call it: on a real ledger that its daemon has filled."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carbonslurm import wiring
from carbonslurm.cli.carbonslurm import carbonslurm
from carbonslurm.cli.forecast.heat import WEEKDAYS
from carbonslurm.cli.program import run as command_line
from carbonslurm.config import DEFAULT_PATH, load
from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval, iso
from carbonslurm.core.rest import Asked, QuestionKey

BIN = Path(sys.executable).parent
HOUR = timedelta(hours=1)
LIFECYCLE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
OPERATIONAL = Nature(Kind.AVERAGE, Scope.OPERATIONAL)
NIGHT = 0.5  # of the level by day
DUSK, DAWN = 8, 14  # hours after the step in which the tests run
CONFIG = """
cluster: hpc
ledger: {folder}/ledger.sqlite
zone: GB
sources:
  - {{provider: neso, zone: GB}}
  - {{provider: file, zone: DE, path: {folder}/de.csv}}
  - {{provider: file, zone: FR, path: {folder}/fr.csv}}
  - {{provider: file, zone: SE, path: {folder}/se.csv}}
"""


def day_and_night(
    zone: str, source: str, nature: Nature, start: datetime, hours: int, level: float
) -> Series:
    """A grid that is clean for six hours of each day; ``start`` is whole days from now."""
    steps = [
        Step(
            Interval(start + place * HOUR, start + (place + 1) * HOUR),
            level * (NIGHT if DUSK <= place % 24 < DAWN else 1),
        )
        for place in range(hours)
    ]
    return Series.from_steps(zone, source, nature, steps)


@pytest.fixture(scope="module")
def full() -> datetime:
    """When the step began in which the tests run; not a full hour, which might end meanwhile."""
    return (datetime.now(UTC) - timedelta(minutes=20)).replace(microsecond=0)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, full: datetime) -> Path:
    """A configuration, and a ledger with 40 days of GB, DE and FR; of SE nothing is known."""
    folder = tmp_path_factory.mktemp("site")
    file = folder / "carbonslurm.yaml"
    file.write_text(CONFIG.format(folder=folder))
    zones = [
        ("GB", "neso", OPERATIONAL, 200.0),
        ("DE", "file", LIFECYCLE, 400.0),
        ("FR", "file", LIFECYCLE, 50.0),
    ]
    with wiring.ledger(load(file)) as book:
        for zone, source, nature, level in zones:
            book.keep_actual(day_and_night(zone, source, nature, full - 40 * 24 * HOUR, 40 * 24, level), full)
            ahead = day_and_night(zone, source, nature, full, 48, level)
            band = None if zone == "FR" else Band(ahead.values * 0.9, ahead.values * 1.2)
            known = full - 5 * HOUR if zone == "FR" else None
            book.keep_issues([Issue(ahead, full, full, band, known)])
            for days in (2, 3, 4):
                at = full - days * 24 * HOUR
                right = day_and_night(zone, source, nature, at - 24 * HOUR, 53, level)
                flat = Series(zone, "own", nature, right.edges, right.values * 0 + level, right.estimated)
                book.keep_issues([Issue(right, at, at), Issue(flat, at, at)])
        book.keep_asked(
            {
                QuestionKey("neso", "GB", "fw48h"): Asked(full, full, ("forecast",), 0, full + HOUR / 2),
                QuestionKey("file", "DE", "file"): Asked(full, None, (), 3, full + HOUR, "no such\x1b file"),
                QuestionKey("eia", "US", "series"): Asked(full, full, ("forecast",), 0, full + HOUR),
            }
        )
    return file


@dataclass(frozen=True)
class Done:
    """What a command said, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Call the command as its script does, in this process: a new one each time would take half a second."""

    def call(*words: str, zone: str = "UTC") -> Done:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        with pytest.raises(SystemExit) as ended:
            command_line(carbonslurm, ["forecast", *words], name="carbonslurm")
        said = capsys.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 1, said.out, said.err)

    monkeypatch.setenv("CARBONSLURM_CONFIG", str(site))
    before = os.environ.get("TZ")
    yield call
    if before is None:
        monkeypatch.delenv("TZ", raising=False)
    else:
        monkeypatch.setenv("TZ", before)
    time.tzset()


def read(run: Run, *words: str) -> Any:
    done = run(*words, "--json")
    assert done.stderr == ""
    return json.loads(done.stdout)


# --- show


def test_show_draws_what_was_and_what_will_be(run: Run) -> None:
    done = run("show")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "GB: average, operational; times are local (UTC)"
    assert re.fullmatch(r"now +\d+ g/kWh, expected by neso", lines[1])
    assert re.fullmatch(r"forecast +neso, issued \d+ min ago, to \S+, band of 80%", lines[2])
    assert done.stdout.isascii()
    assert max(len(line) for line in lines) <= 80
    drawing = "\n".join(lines[4:])
    assert {"*", "o", ".", "|now"} <= {mark for mark in ("*", "o", ".", "|now") if mark in drawing}
    left, _, right = lines[6].partition("|")[2].partition("|")
    assert len(left) < len(right) + 60


def test_show_says_how_old_the_values_were_that_ours_was_made_from(run: Run) -> None:
    lines = run("show", "FR").stdout.splitlines()
    assert re.fullmatch(r"made of +values up to 5 h ago", lines[3])
    assert read(run, "show", "FR")["forecast"]["measured_until"] is not None
    assert read(run, "show", "GB")["forecast"]["measured_until"] is None
    assert "made of" not in run("show", "GB").stdout


def on_a_terminal(site: Path, **locale: str) -> str:
    """What ``show`` prints on a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "COLUMNS": "120", "TERM": "xterm-256color", **locale}
    environment["CARBONSLURM_CONFIG"] = str(site)
    argv = [str(BIN / "carbonslurm"), "forecast", "show"]
    with subprocess.Popen(argv, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        while part := _some(ours):
            said += part
        assert process.wait(timeout=60) == 0
    os.close(ours)
    return said.decode()


def test_show_on_a_terminal_is_as_wide_as_that_and_in_braille(site: Path) -> None:
    text = on_a_terminal(site, LANG="C.UTF-8")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert text != plain
    assert any("\u2800" < char <= "\u28ff" for char in plain)
    assert "░" in plain
    assert 110 < max(len(line) for line in plain.splitlines()) <= 120


@pytest.mark.parametrize(
    ("locale", "ascii_only"),
    [
        ({"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, True),
        ({"LC_ALL": "POSIX"}, True),
        ({"LC_CTYPE": "C", "LANG": "en_GB.UTF-8"}, True),
        ({}, True),
        ({"LC_ALL": "", "LC_CTYPE": "en_GB.utf8", "LANG": "C"}, False),
    ],
)
def test_the_locale_says_what_a_terminal_can_show(
    site: Path, locale: dict[str, str], *, ascii_only: bool
) -> None:
    assert on_a_terminal(site, **locale).isascii() == ascii_only


def _some(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # what a terminal says on Linux once nobody writes to it any more
        return b""


def test_show_as_a_table(run: Run, full: datetime) -> None:
    done = run("show", "GB", "--table", "-S", "now-2hours", "--hours", "2")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["Start", "End", "g/kWh", "Low", "High", "What", "Source"]
    assert [row[-2] for row in rows[1:]] == ["measured"] * 2 + ["forecast"] * 3
    plain = run("show", "GB", "-P", "-n", "-S", "now-2hours", "--hours", "2").stdout.splitlines()
    assert [line.count("|") for line in plain] == [6] * 5
    start, end, *_ = plain[2].split("|")
    assert (start, end) == (f"{full:%Y-%m-%dT%H:%M:%S}", f"{full + HOUR:%Y-%m-%dT%H:%M:%S}")


def test_show_as_an_object(run: Run, full: datetime) -> None:
    found = read(run, "show", "FR", "--hours", "1", "-S", "now-1hour")
    assert (found["zone"], found["kind"], found["scope"]) == ("FR", "average", "lifecycle")
    assert found["forecast"]["band"] is None
    assert found["forecast"]["horizon"] == iso(full + 48 * HOUR)
    assert {step["what"] for step in found["steps"]} == {"measured", "forecast"}
    assert all(step["low"] is None for step in found["steps"])


def test_times_are_local(run: Run) -> None:
    done = run("show", "GB", "--table", zone="Asia/Tokyo")
    utc = run("show", "GB", "--table")
    first, second = (datetime.fromisoformat(each.stdout.splitlines()[1].split()[0]) for each in (done, utc))
    assert first - second == 9 * HOUR


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_show_draws_a_picture(run: Run, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"gb.{suffix}"
    done = run("show", "GB", "--plot", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}: written\n", "")
    start = file.read_bytes()[:200]
    assert start.startswith(b"\x89PNG") if suffix == "png" else b"<?xml" in start


def test_a_picture_does_not_keep_the_rest_from_being_printed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "gb.png"
    for words in (["show", "GB", "--json"], ["show", "GB", "--table"], ["patterns", "DE", "--json"]):
        plain, both = run(*words), run(*words, "--plot", str(file))
        assert len(both.stdout.splitlines()) == len(plain.stdout.splitlines()) > 10
        assert both.stderr == f"carbonslurm: {file}: written\n"
        assert file.read_bytes().startswith(b"\x89PNG")
        file.unlink()


@pytest.mark.parametrize(
    "words", ["show --json --table", "show --json -P", "compare -P --json", "sources --json -P"]
)
def test_a_command_prints_in_one_form(run: Run, words: str) -> None:
    done = run(*words.split())
    assert (done.returncode, done.stdout) == (64, "")
    other = "--table" if "--table" in words else "-P"
    assert done.stderr == f"carbonslurm: --json and {other} are two forms: say one\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "XX"], 64, 'no zone "XX" here: configured are GB, DE, FR, SE'),
        (["show", "SE"], 65, "SE: nothing is known of it yet"),
        (["show", "GB", "--source", "eia"], 65, "GB: no forecast of eia: there are those of neso, own"),
        (
            ["best", "--duration", "8h", "--source", "eia", "GB"],
            65,
            "GB: no forecast of eia: there are those of neso, own",
        ),
        (["show", "SE", "--source", "eia"], 65, "SE: no forecast of eia: nor of any other source"),
        (["show", "GB", "-S", "now", "-E", "now-1hour"], 64, "--endtime now-1hour does not lie behind"),
        (["show", "GB", "-S", "soon"], 64, "expected a time such as"),
        (
            ["show", "GB", "--plot", "a.jpg"],
            64,
            "--plot: expected a file that ends in .png or .svg, got a.jpg",
        ),
        (["show", "GB", "--plot", "/no/such/folder/a.png"], 77, "/no/such/folder/a.png: No such file"),
        (["best", "--duration", "3d", "GB"], 65, "GB: the forecast ends at"),
        (["best", "--duration", "8"], 64, "expected a duration such as 12h"),
        (
            ["best", "--duration", "8h", "--before", "now+2hours"],
            64,
            "--before now+2hours: less than 8h from now",
        ),
        (["best", "--duration", "8h", "SE"], 65, "SE: no forecast"),
        (["compare", "SE"], 65, "SE: no forecast"),
        (["patterns", "SE"], 65, "SE: nothing was measured in this time"),
        (["score", "SE"], 65, "SE: no forecast of this time can be held against"),
        (["score", "--duration", "90m"], 64, "--duration 90m: forecasts are scored by whole hours"),
        (["score", "DE", "--duration", "30h"], 64, "a job of 30 h is not done within 24 h"),
        (["zones", "--provider", "nix"], 64, 'no zones of "nix"'),
        (["zones", "--cloud", "aws:mars-1"], 64, 'no region "mars-1" of aws'),
        (["zones", "--cloud", "aws", "--provider", "eia"], 64, "say --provider or --cloud, not both"),
        (["sources", "XX"], 64, 'no zone "XX" here'),
    ],
)
def test_what_is_wrong_is_one_line_and_a_code(run: Run, words: list[str], code: int, said: str) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith(f"carbonslurm: {said}")
    assert len(done.stderr.splitlines()) == 1


# --- best


def test_best_names_place_and_time_by_nature(run: Run, full: datetime) -> None:
    done = run("best", "--duration", "6h")
    header, *rows = [line.split() for line in done.stdout.splitlines()]
    assert header[:3] == ["Zone", "Start", "End"]
    assert [row[0] for row in rows] == ["FR", "DE", "GB"]
    night = [f"{full + hours * HOUR:%Y-%m-%dT%H:%M:%S}" for hours in (DUSK, DAWN)]
    assert [row[1:3] for row in rows] == [night] * 3
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "carbonslurm: SE: no forecast yet",
        "carbonslurm: zones of different kind or scope are not ranked against each other",
    ]


def test_best_as_an_object_with_its_band(run: Run) -> None:
    found = read(run, "best", "GB", "--duration", "6h")
    (zone,) = found["zones"]
    assert (zone["g_per_kwh"], zone["source"], zone["trouble"]) == (100, "neso", None)
    assert (zone["low"], zone["high"]) == pytest.approx((90, 120))
    assert found["duration_s"] == 6 * 3600
    alone = read(run, "best", "FR", "--duration", "6h")["zones"][0]
    assert (alone["low"], alone["high"]) == (None, None)


def test_best_says_where_the_forecast_ends(run: Run) -> None:
    done = run("best", "GB", "--duration", "6h", "--before", "now+7days")
    assert done.returncode == 0
    assert re.fullmatch(
        r"carbonslurm: GB: the forecast ends at \S+: later windows were not compared\n", done.stderr
    )


def test_what_is_said_of_times_is_local_too(run: Run, full: datetime) -> None:
    ends = full + 57 * HOUR  # 48 hours on, and Tokyo's nine
    done = run("best", "--duration", "3d", "GB", zone="Asia/Tokyo")
    assert f"the forecast ends at {ends:%Y-%m-%dT%H:%M:%S}: it covers" in done.stderr


# --- compare


def test_compare_has_a_table_for_each_nature(run: Run) -> None:
    done = run("compare")
    assert done.returncode == 0
    blocks = done.stdout.split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == ["average, lifecycle:", "average, operational:"]
    ranks = [[line.split()[:2] for line in block.splitlines()[2:]] for block in blocks]
    assert ranks == [[["1", "FR"], ["2", "DE"]], [["1", "GB"]]]
    assert "carbonslurm: SE: no forecast" in done.stderr
    assert "cannot be compared" in done.stderr


def test_compare_for_programs(run: Run) -> None:
    rows = [line.split("|") for line in run("compare", "-P").stdout.splitlines()]
    assert rows[0][-2:] == ["Kind", "Scope"]
    assert [row[1] for row in rows[1:]] == ["FR", "DE", "GB", "SE"]
    assert [row[3] for row in rows] == ["NowIs", "expected", "expected", "expected", ""]
    assert all(row[2].isdigit() for row in rows[1:4])
    found = read(run, "compare", "DE", "FR")
    assert [zone["rank"] for zone in found["zones"]] == [1, 2]
    assert found["zones"][0]["mean_24h"] == pytest.approx(50 * (18 + 6 * NIGHT) / 24, rel=0.05)


# --- patterns


def test_patterns_in_the_terminal(run: Run) -> None:
    done = run("patterns", "DE")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"\d\d:00 \(200\)", done.stdout)) == 3
    days = [line[4:].ljust(72) for line in done.stdout.splitlines() if line[:3] in WEEKDAYS]
    assert len(days) == 7
    # Six hours beginning at any minute: at least five whole ones are clean, and at least 17 are not.
    assert all(day.count("...") >= 5 and day.count("###") >= 17 for day in days)
    assert done.stdout.isascii()
    assert re.search(r"^best hours .*, local time \(UTC\)$", done.stdout, re.MULTILINE)
    assert "best months" not in done.stdout  # two are known
    assert re.search(r": 40 days measured", done.stdout)
    assert re.search(r": (29|30) hours measured", run("patterns", "DE", "-S", "now-30hours").stdout)


def test_patterns_as_an_object(run: Run, full: datetime) -> None:
    found = read(run, "patterns", "DE", "-S", "now-30days")
    assert np.shape(found["by_weekday_and_hour"]) == (7, 24)
    assert found["known_s"] == pytest.approx(30 * 86400, abs=7200)
    clean = [(full + hours * HOUR).hour for hours in range(DUSK + 1, DAWN)]
    assert sorted(found["best_hours"][:5]) == sorted(clean)
    assert None in found["by_month"]


def test_patterns_as_a_picture(run: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    words = ["patterns", "DE", "-S", "now-30days", "-E", "today"]
    assert run(*words, "--plot", str(first)).returncode == 0
    assert run(*words, "--plot", str(second)).returncode == 0
    assert "Mon" in first.read_text()
    assert "local time (UTC)" in first.read_text()
    assert first.stat().st_size == pytest.approx(second.stat().st_size, rel=0.01)


# --- score


def test_score_by_source_and_lead(run: Run) -> None:
    done = run("score", "DE", "-P")
    header, *rows = [line.split("|") for line in done.stdout.splitlines()]
    shown = [dict(zip(header, row, strict=True)) for row in rows]
    assert done.returncode == 0
    assert [(each["Source"], each["Lead"]) for each in shown] == [
        (source, lead) for source in ("file", "own") for lead in ("0-24", "24-48", "all")
    ]
    right, flat, judged = shown[2], shown[3], shown[5]
    assert (right["MAE"], right["Realised"], right["Kind"]) == ("0.0", "100.0", "average")
    assert (flat["Hours"], flat["MAE"], flat["Bias"], flat["InBand"]) == ("72", "50.0", "50.0", "")
    assert (judged["Releases"], judged["Realised"]) == ("3", "0.0")


def test_score_as_an_object_of_one_source(run: Run) -> None:
    found = read(run, "score", "DE", "--source", "own", "--duration", "6h", "-E", "now-3days")
    (one,) = found["scores"]
    assert (one["source"], one["issues"], found["duration_s"]) == ("own", 2, 6 * 3600)
    assert one["by_lead"][0]["wmape_percent"] == pytest.approx(100 * 50 / 350)
    assert 0.4 < one["possible"] <= 0.5


def test_score_says_which_zone_has_nothing(run: Run) -> None:
    done = run("score", "DE", "SE")
    assert done.returncode == 0
    assert done.stderr == "carbonslurm: SE: no forecast of this time can be held against measured values\n"


# --- sources


def test_sources_says_who_is_left_alone_and_why(run: Run) -> None:
    done = run("sources")
    assert done.returncode == 1
    rows = {tuple(line.split()[:2]): line for line in done.stdout.splitlines()}
    assert set(rows) == {("Provider", "Zone"), ("neso", "GB"), ("file", "DE"), ("file", "FR"), ("file", "SE")}
    assert rows["file", "DE"].endswith("no such? file")
    assert rows["file", "SE"].split()[2:4] == ["never", "never"]
    assert run("sources", "GB").returncode == 0
    found = json.loads(run("sources", "DE", "--json").stdout)
    assert (found[0]["failures"], found[0]["answered"]) == (3, None)


# --- zones


def test_zones_of_the_site_of_providers_and_of_clouds(run: Run) -> None:
    assert [line.split() for line in run("zones", "-n").stdout.splitlines()] == [
        ["GB", "neso", "all"],
        *([zone, "file"] for zone in ("DE", "FR", "SE")),
    ]
    assert "energy-charts|de|Germany|country: de" in run("zones", "--provider", "energy-charts", "-P").stdout
    named = {each["provider"]: each["name"] for each in read(run, "zones", "--cloud", "aws:eu-central-1")}
    assert named["energy-charts"] == "de"
    assert any(each["region"] == "gcp:europe-west2" for each in read(run, "zones", "--cloud", "gcp"))


# --- without a configuration


@pytest.fixture
def run_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same without a configuration, and behind a proxy that is away, so that nobody can be reached."""
    if DEFAULT_PATH.exists():
        pytest.skip("this machine has a configuration")
    monkeypatch.delenv("CARBONSLURM_CONFIG")
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{port}")
    return run


HERE = f"carbonslurm: there is no configuration here ({DEFAULT_PATH}, $CARBONSLURM_CONFIG): "


def test_without_a_configuration_a_zone_nobody_serves_is_one_line(run_alone: Run) -> None:
    done = run_alone("show", "Atlantis!")
    assert done.returncode == 64
    assert done.stderr.startswith('carbonslurm: no provider without a key speaks of zone "Atlantis!"')
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", ["show", "compare", "best --duration 8h", "mix", "patterns"])
def test_without_a_configuration_a_zone_is_to_be_named(run_alone: Run, words: str) -> None:
    done = run_alone(*words.split())
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == f"{HERE}name a zone, e.g. carbonslurm forecast show GB\n"


@pytest.mark.parametrize("word", ["score", "sources", "fetch"])
def test_without_a_configuration_there_is_no_ledger(run_alone: Run, word: str) -> None:
    done = run_alone(word, "GB")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == f"{HERE}{word} needs one, for the cluster's ledger that it names\n"


@pytest.mark.parametrize("words", ["show", "compare", "best --duration 8h", "mix", "patterns"])
def test_whoever_cannot_be_reached_is_named(run_alone: Run, words: str) -> None:
    done = run_alone(*words.split(), "GB")
    assert done.returncode in {65, 69}
    assert done.stdout == ""
    cause = "api.carbonintensity.org.uk cannot be reached: Connection refused"
    assert done.stderr.splitlines()[-1] == f"carbonslurm: GB: neso: {cause}"
    assert done.stderr.count(cause) == 1
