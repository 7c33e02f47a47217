"""CarbonMonitor: from the ledger where a configuration names one, else by asking; natures travel along."""

import dataclasses
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gb_operator import Operator
from pytest_httpserver import HTTPServer

import carbonslurm
from carbonslurm import CarbonMonitor, wiring
from carbonslurm.config import DEFAULT_PATH, load
from carbonslurm.core.forecast import Band, Issue, Kind, Nature, Scope, Series, Step
from carbonslurm.core.interval import Interval, iso
from carbonslurm.core.mix import Fuel, Mix
from carbonslurm.errors import ConfigError, DataError, UsageError
from carbonslurm.monitor import MixOfNow

HOUR = timedelta(hours=1)
LIFECYCLE = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
OPERATIONAL = Nature(Kind.AVERAGE, Scope.OPERATIONAL)
CONFIG = """
cluster: hpc
ledger: {folder}/ledger.sqlite
zone: GB
sources:
  - {{provider: neso, zone: GB}}
  - {{provider: file, zone: FR, path: {folder}/fr.csv, kind: average, scope: lifecycle}}
  - {{provider: file, zone: DE, path: {folder}/none.csv}}
"""


@pytest.fixture
def full() -> datetime:
    """When the step began in which the test runs; not a full hour, which might end meanwhile."""
    return (datetime.now(UTC) - timedelta(minutes=20)).replace(microsecond=0)


SOURCES = {"GB": "neso", "FR": "file"}


def series(zone: str, nature: Nature, start: datetime, *levels: float) -> Series:
    steps = [
        Step(Interval(start + place * HOUR, start + (place + 1) * HOUR), level)
        for place, level in enumerate(levels)
    ]
    return Series.from_steps(zone, SOURCES[zone], nature, steps)


@pytest.fixture
def site(tmp_path: Path, full: datetime) -> Path:
    """A configuration without a ledger yet; FR's file has a day of measured values and one ahead."""
    lines = [f"{iso(full + place * HOUR)},{100 + place}" for place in range(-24, 24)]
    (tmp_path / "fr.csv").write_text("\n".join(["timestamp,g_per_kwh", *lines]) + "\n")
    file = tmp_path / "carbonslurm.yaml"
    file.write_text(CONFIG.format(folder=tmp_path))
    return file


@pytest.fixture
def filled(site: Path, full: datetime) -> Path:
    """The same with a ledger that knows of GB and FR."""
    with wiring.ledger(load(site)) as book:
        book.keep_actual(series("GB", OPERATIONAL, full - 3 * HOUR, 200, 210, 230), full)
        ahead = series("GB", OPERATIONAL, full, 230, 100, 100, 240, *[250] * 44)
        book.keep_issues([Issue(ahead, full, full, Band(ahead.values - 10, ahead.values + 30))])
        book.keep_issues([Issue(series("FR", LIFECYCLE, full, 60, 50, *[40] * 46), full, full)])
    return site


def test_current_from_the_ledger(filled: Path, full: datetime) -> None:
    found = CarbonMonitor(zones=["GB", "DE"], config=filled).current()
    now = found["GB"]
    assert (now.g_per_kwh, now.expected, now.source) == (230, True, "neso")
    assert (now.kind, now.scope) == ("average", "operational")
    assert (now.start, now.end) == (full, full + HOUR)
    assert (found["DE"].g_per_kwh, found["DE"].kind) == (None, None)
    assert found["DE"].trouble == "nothing is known of now"


def test_forecast_from_the_ledger(filled: Path, full: datetime) -> None:
    curve = CarbonMonitor(zones=["GB"], config=filled).forecast(hours=2)["GB"]
    assert [point.g_per_kwh for point in curve.points] == [230, 100, 100]
    assert [point.low_g_per_kwh for point in curve.points] == [220, 90, 90]
    assert (curve.band_share, curve.published, curve.trouble) == (0.8, full, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        curve.zone = "FR"  # type: ignore[misc]


def test_history_from_the_ledger(filled: Path, full: datetime) -> None:
    monitor = CarbonMonitor(zones=["GB", "DE"], config=filled)
    curves = monitor.history(full - 2 * HOUR)
    assert [point.g_per_kwh for point in curves["GB"].points] == [210, 230]
    assert curves["GB"].published is None
    assert curves["DE"].points == ()
    assert curves["DE"].trouble == "nothing was measured"
    with pytest.raises(DataError, match="without a zone"):
        monitor.history(datetime(2026, 11, 22))  # noqa: DTZ001 - that is what is refused


def test_the_best_window(filled: Path, full: datetime) -> None:
    monitor = CarbonMonitor(zones=["GB"], config=filled)
    best = monitor.best_window("2h")
    assert (best.start, best.end) == (full + HOUR, full + 3 * HOUR)
    assert (best.mean_g_per_kwh, best.low_g_per_kwh, best.high_g_per_kwh) == (100, 90, 130)
    assert best.saved_percent is not None
    assert 0 < best.saved_percent < 50
    assert best.latest_start == full + 46 * HOUR
    assert monitor.best_window(timedelta(hours=2)).start == best.start
    with pytest.raises(DataError, match="GB: the forecast ends at"):
        monitor.best_window("3d")
    with pytest.raises(DataError, match="GB: no window of this length ends before"):
        monitor.best_window("8h", before=full + 2 * HOUR)
    with pytest.raises(UsageError):
        monitor.best_window("8")
    with pytest.raises(UsageError):
        monitor.best_window(timedelta())
    with pytest.raises(UsageError, match=r"a duration such as .8h., or a timedelta"):
        monitor.best_window(8)  # type: ignore[arg-type]
    assert monitor.forecast(source="eia")["GB"].trouble == "no forecast of eia: there are those of neso"
    assert best.warning is None


def test_zones_of_different_natures_have_no_best(filled: Path) -> None:
    monitor = CarbonMonitor(zones=["GB", "FR"], config=filled)
    with pytest.raises(DataError, match="average, lifecycle and average, operational"):
        monitor.best_window("2h")
    assert [each.zone for each in monitor.best_windows("2h")] == ["FR", "GB"]


def test_where_the_ledger_cannot_be_read_the_configured_sources_are_asked(site: Path, full: datetime) -> None:
    monitor = CarbonMonitor(zones=["FR", "DE"], config=site)
    found = monitor.current()
    assert (found["FR"].source, found["FR"].scope) == ("file", "lifecycle")
    assert found["FR"].g_per_kwh == pytest.approx(100, abs=1)  # moved to where the measured 99 ended
    assert found["DE"].g_per_kwh is None
    assert found["DE"].trouble is not None
    assert found["DE"].trouble.startswith("DE: file: ")
    assert len(monitor.forecast(hours=3)["FR"].points) == 4
    assert [point.g_per_kwh for point in monitor.history(full - 2 * HOUR)["FR"].points] == [98, 99]
    warning = found["FR"].warning
    assert warning is not None
    assert re.match(r"ledger \S+ledger\.sqlite: .*: the configured sources were asked instead$", warning)
    assert monitor.history(full - 2 * HOUR)["FR"].warning == warning
    assert monitor.forecast(hours=3)["FR"].warning == warning


def test_why_nobody_answered_is_told_by_each_question_and_again(site: Path, full: datetime) -> None:
    monitor = CarbonMonitor(zones=["DE"], config=site)
    trouble = monitor.current()["DE"].trouble
    assert trouble is not None
    assert re.match(r"DE: file: \S+none\.csv", trouble)
    assert monitor.forecast()["DE"].trouble == trouble
    assert monitor.history(full - 2 * HOUR)["DE"].trouble == trouble
    with pytest.raises(DataError, match=f"^no window is known: {re.escape(trouble)}$"):
        monitor.best_window("2h")


def test_a_provider_is_asked_once_for_each_thing(tmp_path: Path, httpserver: HTTPServer) -> None:
    operator = Operator()
    httpserver.expect_request(re.compile("/.*")).respond_with_handler(operator.answer)
    file = tmp_path / "gb.yaml"
    source = f"{{provider: neso, zone: GB, url: '{httpserver.url_for('')}'}}"
    file.write_text(f"cluster: c\nledger: {tmp_path}/none.sqlite\nzone: GB\nsources: [{source}]\n")
    monitor = CarbonMonitor(zones=["GB"], config=file)
    start = datetime.now(UTC) - timedelta(days=20)
    for _ in range(2):
        assert monitor.current()["GB"].scope == "operational"
        points = monitor.forecast(hours=24)["GB"].points
        assert len(points) in {48, 49}
        assert 100 <= points[0].g_per_kwh < points[-1].g_per_kwh <= 200
        assert {point.g_per_kwh for point in monitor.history(start)["GB"].points} == {100}
        assert monitor.best_window("4h").source == "neso"
        assert monitor.mix()["GB"].shares == {"wind": 0.75, "gas": 0.25}
    # The forecast, the last day, two pieces of the days before, and the mix.
    assert len(operator.paths) == 5


def test_a_mix_that_nobody_tells_says_so(site: Path) -> None:
    found = CarbonMonitor(zones=["FR"], config=site).mix()["FR"]
    assert found.shares == {}
    assert found.trouble == "FR: no provider of this zone says what its electricity is made from"


def test_tables(filled: Path, full: datetime) -> None:
    pandas = pytest.importorskip("pandas")
    monitor = CarbonMonitor(zones=["GB", "DE"], config=filled)
    curves = monitor.forecast(hours=2)
    table = curves["GB"].to_pandas()
    assert table["g_per_kwh"].tolist() == [230, 100, 100]
    assert table.index[0] == pandas.Timestamp(full)
    assert str(table.index.tz) == "UTC"
    assert table.attrs["scope"] == "operational"
    assert curves["DE"].to_pandas().empty
    assert monitor.best_window("2h").to_pandas()["mean_g_per_kwh"] == 100
    shares = {Fuel.GAS: 0.25, Fuel.WIND: 0.75}
    made = MixOfNow.of(Mix("GB", "toy", Interval(full, full + HOUR), shares, 1000.0)).to_pandas()
    assert made.to_dict() == {"wind": 0.75, "gas": 0.25}
    assert list(made.index) == ["wind", "gas"]


@pytest.mark.parametrize("zones", ["GB", []])
def test_zones_are_a_list_of_names(zones: list[str]) -> None:
    with pytest.raises(UsageError, match="zones"):
        CarbonMonitor(zones=zones)


@pytest.mark.skipif(DEFAULT_PATH.exists(), reason="this machine has a configuration")
def test_without_a_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CARBONSLURM_CONFIG", raising=False)
    named = ["GB", "London", "DK1", "DK-DK2", "de", "FR", "aws:eu-north-1"]
    assert CarbonMonitor(zones=named).zones == tuple(named)
    with pytest.raises(UsageError, match='no provider without a key speaks of zone "Atlantis!"'):
        CarbonMonitor(zones=["Atlantis!"])
    with pytest.raises(ConfigError, match="No such file"):
        CarbonMonitor(zones=["GB"], config=tmp_path / "none.yaml")


def test_the_package_offers_it_and_nothing_else() -> None:
    assert "CarbonMonitor" in carbonslurm.__all__
    with pytest.raises(AttributeError, match="no attribute"):
        carbonslurm.CarbonMonitors  # type: ignore[attr-defined]  # noqa: B018


def test_without_pandas_one_line_says_what_to_install() -> None:
    """pandas is made impossible to import, as where it is not installed."""
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from carbonslurm.monitor import MixOfNow\n"
        "from carbonslurm.errors import UnavailableError\n"
        "try:\n"
        "    MixOfNow('GB').to_pandas()\n"
        "except UnavailableError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "tables need pandas: pip install 'carbonslurm[pandas]'\n"
