"""From the configuration to a supplied archive: the daemon's rounds, on files of the site's own."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from carbonslurm import wiring
from carbonslurm.app.forecasts import ForecastState, usable_forecasts
from carbonslurm.app.supply import LONGEST_ROUND, never
from carbonslurm.config import Config, parse
from carbonslurm.core.choice import OWN
from carbonslurm.core.rest import QuestionKey
from carbonslurm.ledger.writing import Ledger

SITE = """\
cluster: toy
ledger: {folder}/ledger.db
zone: grid
sources:
  - {{provider: file, zone: grid, path: {folder}/first.yaml}}
  - {{provider: file, zone: grid, path: {folder}/second.yaml}}
  - {{provider: neso, zone: GB, url: "http://127.0.0.1:1"}}
cycle: {{fetch: 10m}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Config]:
    def make(more: str = "") -> Config:
        return parse(SITE.format(folder=tmp_path) + more)

    return make


def state(config: Config, book: Ledger, zone: str) -> ForecastState:
    return usable_forecasts(book, [zone], wiring.now(), wiring.forecast_rules(config))[zone]


def test_a_round_asks_keeps_and_remembers(site: Callable[..., Config], tmp_path: Path) -> None:
    (tmp_path / "second.yaml").write_text("constant: 350\n")
    config = site()
    with wiring.ledger(config) as book:
        supply = wiring.supply(config, book, never)
        supply.run()
        asked = book.asked()
        supply.run()
        assert book.asked() == asked
        assert state(config, book, "grid").source == "file"
        assert state(config, book, "GB").reason == "no forecast yet"
    missing, other = asked[QuestionKey("file", "grid", "file")], asked[QuestionKey("file", "grid", "file 2")]
    assert (missing.failures, other.failures) == (1, 0)
    assert "first.yaml" in str(missing.reason)
    failed = [each for key, each in asked.items() if key.provider == "neso"]
    assert [each.failures for each in failed] == [1, 1, 1]  # forecast, measured, history
    assert all("Connect" in str(each.reason) for each in failed)


def test_the_order_of_forecasts_is_the_configurations(site: Callable[..., Config]) -> None:
    assert wiring.forecast_rules(site()).order == {"grid": ("file", OWN), "GB": ("neso", OWN)}
    never = wiring.forecast_rules(site("policy: {own_forecast: never}\n"))
    assert never.order == {"grid": ("file",), "GB": ("neso",)}
    always = wiring.forecast_rules(site("policy: {own_forecast: always, forecast_age: 3h}\n"))
    assert always.order["GB"] == (OWN, "neso")
    assert always.max_age == timedelta(hours=3)


def test_rounds_come_each_minute_or_as_often_as_the_site_wants(site: Callable[..., Config]) -> None:
    assert wiring.between_rounds(site()) == timedelta(minutes=1)
    assert wiring.between_rounds(parse(SITE.format(folder="/x").replace("10m", "2s"))) == timedelta(seconds=2)


def test_a_site_that_wants_no_forecast_of_ours_fetches_no_history(site: Callable[..., Config]) -> None:
    config = site("policy: {own_forecast: never}\n")
    with wiring.ledger(config) as book:
        assert wiring.supply(config, book, never).backfill.sources == []


def test_a_round_that_is_to_end_asks_nobody(site: Callable[..., Config]) -> None:
    """SIGTERM comes in the middle: the daemon's end waits for one question at most."""
    config = site()
    with wiring.ledger(config) as book:
        wiring.supply(config, book, lambda: True).run()
        assert book.asked() == {}


def test_a_round_has_its_time_and_no_more(site: Callable[..., Config]) -> None:
    """Its clock moves on by more than that between two looks at it."""
    config = site()
    with wiring.ledger(config) as book:
        supply = wiring.supply(config, book, never)
        moments = (wiring.now() + number * LONGEST_ROUND for number in range(99))
        replace(supply, clock=lambda: next(moments)).run()
        assert book.asked() == {}
