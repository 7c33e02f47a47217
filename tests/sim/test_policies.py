"""Each policy by its definition (docs/policies.md), on intensities and jobs worked out by hand."""

from datetime import UTC, datetime, timedelta

import pytest
from traces import START, J, hourly, runs_h, simulated, starts_h

from carbonslurm.core.bound import BoundRules
from carbonslurm.core.interval import from_epoch
from carbonslurm.core.job import JobKey, JobState, Queue, QueuedJob, Tres
from carbonslurm.core.ownership import Known
from carbonslurm.core.planner import plan
from carbonslurm.core.policies import POLICIES as CORE
from carbonslurm.core.policies import DailyWindow
from carbonslurm.core.situation import PlanRules, Situation, Zones
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.sim.foresight import Persistence

# Hours 0 to 11; what follows is dirty.
TRUTH = hourly([300, 200, 100, 50, 400, 300, 60, 60, 500, 500, 500, 500, *[600] * 100])
ONE = [J(0, 1)]


@pytest.mark.parametrize(
    ("policy", "work", "wait", "start", "parameters"),
    [
        ("no-wait", J(0, 1), 6, 0, {}),
        ("threshold", J(0, 1), 6, 1, {"threshold": "250"}),
        ("threshold", J(0, 1), 6, 6, {"threshold": "10"}),  # never: when its wait is over
        ("lowest-slot", J(0, 4), 6, 3, {}),
        ("lowest-slot", J(0.5, 1), 6, 3, {}),  # any instant, not only hours since its arrival
        ("lowest-window", J(0, 1), 6, 3, {}),
        ("lowest-window", J(0.5, 1), 6, 6.5, {}),  # hours since its arrival: 60 g, against 75 at 2.5
        ("lowest-window", J(0.5, 1), 6, 3, {"every": "0"}),  # every instant
        ("lowest-window", J(0, 2), 6, 6, {}),
        ("carbon-time", J(0, 1), 6, 2, {}),  # 100/2, 200/3, 250/4 g saved an hour: the third
        ("carbon-time", J(8, 1), 6, 8, {}),  # nothing is saved
        ("easy-withhold", J(0, 1), 6, 2, {"max_delay": "2h"}),
        ("static-windows", J(0, 1), 6, 4, {"windows": "04:00+2h"}),
        ("static-windows", J(5, 1), 6, 5, {"windows": "04:00+2h"}),  # it is within
        ("static-windows", J(0, 1), 3, 3, {"windows": "04:00+2h"}),  # its wait is over before
        ("static-windows", J(0, 1), 24, 24, {"windows": "sat@00:00+2h"}),  # Wednesday
    ],
)
def test_starts_by_hand(policy: str, work: J, wait: float, start: float, parameters: dict[str, str]) -> None:
    assert starts_h(simulated(policy, [work], TRUTH, wait_h=wait, **parameters)) == [start]


def test_class_mean_sees_the_mean_and_not_the_length() -> None:
    """Both are of the long class, whose mean is three and a half hours."""
    done = simulated("lowest-window", [J(0, 3), J(0, 4)], TRUTH, wait_h=6, length="class-mean")
    true = simulated("lowest-window", [J(0, 3.5), J(0, 3.5)], TRUTH, wait_h=6)
    assert starts_h(done) == starts_h(true)


# --- pausing


def test_percentile_suspend_by_hand() -> None:
    """30 % of 24 hours is 7.2: the 8th cleanest hour, 400 g, is theta, and 400 is not below it."""
    done = simulated("percentile-suspend", [J(0, 6)], TRUTH, wait_h=24)
    assert runs_h(done) == [(0, 4), (5, 7)]
    assert (done.row.stops, done.row.mean_wait_h, done.row.late) == (1, 1, 0)


def test_percentile_suspend_runs_to_the_end_once_its_pauses_are_spent() -> None:
    assert runs_h(simulated("percentile-suspend", [J(0, 6)], TRUTH, wait_h=0.5)) == [(0, 4), (4.5, 6.5)]


def test_wait_awhile_by_hand() -> None:
    """Two and a half hours in [0, 8.5]: 50, 60 and the first half of 60."""
    assert runs_h(simulated("wait-awhile", [J(0, 2.5)], TRUTH, wait_h=6)) == [(3, 4), (6, 7.5)]


def test_wait_awhile_places_the_rest_anew_where_the_cluster_was_full() -> None:
    """One unit, taken by another until 3.5: half an hour of 50 is left."""
    done = simulated("wait-awhile", [J(0, 3.5), J(0.25, 1)], TRUTH, wait_h=0.0, units=1)
    assert runs_h(done, 1) == [(3.5, 4.5)]


def test_double_threshold_by_hand() -> None:
    """One slot, no price: up to the square root of 50 x 600, which is 173 g."""
    assert starts_h(simulated("double-threshold", ONE, TRUTH, wait_h=24, beta="0")) == [2]


def test_double_threshold_asks_more_of_a_job_that_is_paused() -> None:
    """phi = 205, 187, 166 g; a paused job resumes at 165: 175 g keeps one running and starts none."""
    wavering = hourly([100, 175, 160, 150, 150, 100, *[300] * 50])
    running = simulated("double-threshold", [J(0, 3)], wavering, wait_h=24, beta="20")
    assert runs_h(running) == [(0, 3)]
    paused = simulated("double-threshold", [J(1, 3)], wavering, wait_h=24, beta="20")
    assert starts_h(paused) == [2]


def test_double_threshold_runs_once_the_slack_is_gone() -> None:
    """Up to the root of 290 x 320, which is 305 g; the hour of 290 comes after its wait."""
    dear = hourly([310, 315, 320, 290, *[300] * 30])
    assert starts_h(simulated("double-threshold", ONE, dear, wait_h=2.5, beta="0")) == [2.5]


# --- the varying cap


def test_the_varying_cap_by_hand() -> None:
    """Two units, one guaranteed; the other is allowed up to the root of 1.1 x 50 x 600, which is 182 g."""
    done = simulated("varying-cap", [J(0, 9), J(0, 1)], TRUTH, units=2, guaranteed="1")
    assert starts_h(done) == [0, 2]


def test_the_varying_cap_leaves_what_runs_alone() -> None:
    """At hour 4 the cap is one again, but both run on."""
    done = simulated("varying-cap", [J(0, 9), J(0, 5)], TRUTH, units=2, guaranteed="1")
    assert runs_h(done, 1) == [(2, 7)]


# --- forecasts that err


def test_under_persistence_yesterday_decides_and_today_pays() -> None:
    """Yesterday the clean hour was the 5th, today it is the 2nd: it waits for the 5th."""
    days = hourly([*[300] * 5, 50, *[300] * 18, 300, 300, 50, *[300] * 60])
    done = simulated("lowest-window", [J(24, 1)], days, wait_h=12, foresight=Persistence(days))
    assert starts_h(done) == [29]
    assert done.row.carbon_kg == pytest.approx(0.3)


def test_before_there_is_a_forecast_a_job_starts() -> None:
    days = hourly([300, 50, *[300] * 60])
    assert starts_h(simulated("lowest-window", ONE, days, wait_h=12, foresight=Persistence(days))) == [0]


def test_what_is_measured_now_is_known_under_any_forecast() -> None:
    """The threshold looks at the meter: today's clean hour is seen when it comes."""
    days = hourly([*[300] * 26, 50, *[300] * 60])
    done = simulated("threshold", [J(24, 1)], days, wait_h=12, foresight=Persistence(days), threshold="100")
    assert starts_h(done) == [26]


# --- one engine


@pytest.mark.parametrize("policy", ["no-wait", "threshold", "lowest-slot", "lowest-window", "carbon-time"])
def test_the_daemon_s_plan_is_the_simulator_s(policy: str) -> None:
    """plan() on a queue with one job withholds it until the moment at which the simulator starts it."""
    now = from_epoch(START)
    job = QueuedJob(
        key=JobKey("toy", 1),
        spec="1",
        state=JobState.PENDING,
        user="ann",
        account="",
        partition="main",
        qos="",
        submitted=now,
        eligible=now,
        started=None,
        time_limit=timedelta(hours=1),
        deadline=None,
        needs=(),
        held=False,
        reason="",
        restarts=0,
        requeueable=True,
        tag=Tag(timedelta(hours=6), FlexibleBy.OWNER),
        tres=Tres(cpus=1, nodes=1),
    )
    rules = PlanRules(Zones("GB"), policy=policy, bound=BoundRules(margin=timedelta()))
    known = {job.key: Known(first_eligible=now)}
    actions = plan(Situation(now, Queue(now, (job,)), {"GB": TRUTH}, known), rules).actions
    planned = now if not actions else actions[0].until
    done = simulated(policy, ONE, TRUTH, wait_h=6, every="0")
    assert planned is not None
    assert done.outcome.first_start.tolist() == [planned.timestamp()]


def test_the_simulator_calls_the_functions_that_a_site_chooses_by_name() -> None:
    assert {"no-wait", "threshold", "lowest-slot", "lowest-window", "carbon-time"} <= set(CORE)


# --- named hours


def test_a_window_may_reach_into_the_next_day() -> None:
    nights = DailyWindow(frozenset(range(7)), timedelta(hours=22), timedelta(hours=8))
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert nights.first(noon) == noon.replace(hour=22)
    assert nights.first(noon.replace(hour=5)) == noon.replace(hour=5)
    assert nights.first(noon.replace(hour=6)) == noon.replace(hour=22)
    assert DailyWindow(frozenset(), timedelta(), timedelta(hours=1)).first(noon) is None
