"""Stories of meters: a run's energy is modelled until somebody measured it.

A job here takes 1 kW on its one GPU by the model, at full load, and nothing else.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carbonslurm.core.accounted import Accounted
from carbonslurm.core.energy import Covers, Measurement, Quality
from carbonslurm.core.job import AccountedRun
from carbonslurm.core.pue import Pue
from carbonslurm.errors import DataError, UnavailableError
from carbonslurm.ports import RunFilter

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRID = (300.0,) * 12


@dataclass
class Meter:
    """A meter that says what a story makes it say.

    Attributes:
        kwh: of each run that it is asked about; None has nothing; an error is raised.
        asked: about which jobs.
    """

    kwh: float | Exception | None
    name: str = "meter"
    covers: Covers = Covers.NODES
    partitions: frozenset[str] = frozenset()
    asked: list[int] = field(default_factory=list)

    def measure(self, run: AccountedRun, now: datetime) -> Measurement | None:
        assert run.ended is not None
        assert run.ended < now
        self.asked.append(run.key.job_id)
        if isinstance(self.kwh, Exception):
            raise self.kwh
        return None if self.kwh is None else Measurement(self.name, self.covers, self.kwh)


def an_hour_s_job(world: Any) -> int:
    world.measured(*GRID)
    job = world.submit(flex=None)
    world.without_us(2 * HOUR)
    return int(job)


def test_what_a_meter_says_is_the_energy(world: Any) -> None:
    an_hour_s_job(world)
    world.meters = [Meter(0.8)]
    world.reconcile()
    figure = world.rows()[0].figure
    assert (figure.energy_kwh, figure.energy_method, figure.quality) == (0.8, "meter", Quality.MEASURED)
    assert figure.emitted_g == pytest.approx(240)


def test_a_meter_that_comes_later_replaces_the_model_and_the_old_figure_stays(world: Any) -> None:
    an_hour_s_job(world)
    world.meters = [Meter(None)]
    world.reconcile()
    assert world.rows()[0].figure.quality is Quality.MODELLED
    told = world.now
    world.without_us(2 * HOUR)
    world.meters = [Meter(0.8)]
    assert world.reconcile().figures == 1
    assert world.rows()[0].figure.energy_method == "meter"
    (row,) = world.ledger.runs(RunFilter(as_of=told))
    assert (row.figure.energy_method, row.figure.energy_kwh) == ("modelled", 1)
    world.without_us(2 * HOUR)
    assert world.reconcile().figures == 0


def test_a_meter_that_is_away_is_asked_about_nothing_more_and_about_all_the_next_time(world: Any) -> None:
    for _ in range(3):
        an_hour_s_job(world)
    world.meters = [Meter(UnavailableError("no answer in time"))]
    world.reconcile()
    assert len(world.meters[0].asked) == 1
    assert world.complaints == ["meter: no answer in time"]
    world.meters = [Meter(0.8)]
    world.without_us(HOUR / 60)
    world.reconcile()
    assert len(world.meters[0].asked) == 3
    assert {row.figure.energy_method for row in world.rows()} == {"meter"}


def test_an_answer_that_cannot_be_used_is_said_once_and_asked_for_later(world: Any) -> None:
    for _ in range(2):
        an_hour_s_job(world)
    world.meters = [Meter(DataError("2 samples instead of one"))]
    world.reconcile()
    world.reconcile()
    assert len(world.meters[0].asked) == 2
    assert world.complaints == ["meter: run of job 1: 2 samples instead of one (and 1 more)"]
    world.without_us(HOUR)
    world.reconcile()
    assert len(world.meters[0].asked) == 4


def test_what_cannot_be_is_kept_and_not_believed(world: Any) -> None:
    an_hour_s_job(world)
    world.meters = [Meter(50.0)]
    world.reconcile()
    assert world.rows()[0].figure.energy_method == "modelled"


def test_the_order_of_meters_is_the_order_of_trust(world: Any) -> None:
    an_hour_s_job(world)
    world.meters = [Meter(0.8, name="first"), Meter(0.9, name="second")]
    world.reconcile()
    assert world.rows()[0].figure.energy_method == "first"


def test_slurm_s_own_energy_goes_first_where_the_site_trusts_it(world: Any) -> None:
    an_hour_s_job(world)
    power = replace(world.rules.plan.power, node_cpus=4)  # what a job here holds

    class Metered:
        def accounted(self, window: Any, now: datetime, jobs: Any = ()) -> Accounted:
            read = world.owner.accounted(window, now, jobs)
            return replace(read, runs=tuple(replace(run, energy_joules=0.7 * 3.6e6) for run in read.runs))

    world.meters = [Meter(0.8)]
    world.figures = replace(world.figure_rules(slurm=Covers.NODES), power_of=lambda _: power)
    world.reconcile(Metered())
    figure = world.rows()[0].figure
    assert (figure.energy_kwh, figure.energy_method) == (pytest.approx(0.7), "slurm")


def test_pue_is_that_of_the_hours_of_the_run(world: Any) -> None:
    """From half past noon on the room is cooled better."""
    an_hour_s_job(world)
    world.meters = [Meter(0.8)]
    pue = Pue(((NOON - HOUR, 1.5), (NOON + HOUR / 2, 1.1)))
    world.figures = replace(world.figure_rules(), pue=pue)
    world.reconcile()
    figure = world.rows()[0].figure
    assert (figure.pue, figure.energy_kwh) == (pytest.approx(1.3), pytest.approx(0.8 * 1.3))
    assert figure.emitted_g == pytest.approx(0.8 * 1.3 * 300)
