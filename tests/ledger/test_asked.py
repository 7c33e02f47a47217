"""What is remembered of asking the providers, over restarts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from carbonslurm.core.rest import Asked, QuestionKey
from carbonslurm.ledger.place import Place
from carbonslurm.ledger.reading import Reading
from carbonslurm.ledger.writing import Ledger

Hours = Callable[[float], datetime]
GB = QuestionKey("neso", "gb", "fw48h")
FR = QuestionKey("eco2mix", "fr", "live")


@pytest.fixture
def whole(clock: Hours) -> Asked:
    return Asked(
        asked_at=clock(2),
        answered_at=clock(1),
        gave=("forecast", "measured average, direct"),
        failures=3,
        left_until=clock(3),
        reason='HTTP 500: "not \u2713 well"',
        calls=(clock(1), clock(2) + timedelta(microseconds=1)),
    )


def test_it_is_read_back_as_it_was(ledger: Ledger, whole: Asked) -> None:
    assert ledger.asked() == {}
    ledger.keep_asked({GB: whole, FR: Asked()})
    assert ledger.asked() == {GB: whole, FR: Asked()}


def test_the_newest_takes_the_place_of_the_old(ledger: Ledger, whole: Asked, clock: Hours) -> None:
    ledger.keep_asked({GB: whole, FR: whole})
    ledger.keep_asked({GB: Asked(asked_at=clock(5))})
    ledger.keep_asked({})
    assert ledger.asked() == {GB: Asked(asked_at=clock(5)), FR: whole}


def test_what_another_process_wrote_meanwhile_is_not_erased(ledger: Ledger, clock: Hours) -> None:
    told = Asked(asked_at=clock(2), left_until=clock(8), reason="429", calls=(clock(2),))
    ledger.keep_asked({GB: told})
    ledger.keep_asked({GB: Asked(asked_at=clock(1.9), left_until=clock(2.5), calls=(clock(1.9),))})
    assert ledger.asked() == {GB: replace(told, calls=(clock(1.9), clock(2)))}
    ledger.keep_asked({GB: Asked(asked_at=clock(2.1), gave=("forecast",), left_until=clock(3))})
    assert ledger.asked()[GB].left_until == clock(8)
    assert ledger.asked()[GB].gave == ("forecast",)


def test_a_memory_that_a_wrong_clock_left_in_the_future_is_replaced(ledger: Ledger, clock: Hours) -> None:
    ledger.keep_asked({GB: Asked(asked_at=clock(9999), left_until=clock(9999), reason="429")})
    ledger.keep_asked({GB: Asked(asked_at=clock(2), left_until=clock(3))})
    assert ledger.asked() == {GB: Asked(asked_at=clock(2), left_until=clock(3))}


def test_others_can_read_it(ledger: Ledger, place: Place, whole: Asked) -> None:
    ledger.keep_asked({GB: whole})
    with Reading.open(place) as reading:
        assert reading.asked() == {GB: whole}


def test_a_ledger_from_before_gets_its_columns(bare_place: Place, make_issue: Callable[..., object]) -> None:
    """A ledger of revision 0001, with an issue in it, is migrated and read."""
    _old_ledger(bare_place)
    with Ledger.open(bare_place) as ledger:
        issue = ledger.newest_issue("gb")
        assert issue is not None
        assert issue.band is None
        assert issue.series.values.tolist() == [100.0]
        assert ledger.asked() == {}


def _old_ledger(place: Place) -> None:
    from alembic import command
    from alembic.config import Config

    from carbonslurm.ledger.migrating import FOLDER

    place.prepare()
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    engine = place.writer(timedelta(seconds=5), migrating=True)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO issue (zone, source, kind, scope, first_fetched_at, fetched_at, starts_at,"
                " ends_at, digest) VALUES ('gb', 'neso', 'average', 'direct', 0, 0, 0, 3600, 'x')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO issue_point (issue, starts_at, ends_at, g_per_kwh, estimated)"
                " SELECT id, 0, 3600, 100, TRUE FROM issue"
            )
        )
    engine.dispose()
