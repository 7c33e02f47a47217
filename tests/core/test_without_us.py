"""When a queue without us would have started each run: by hand, and what must hold for every history."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from carbonslurm.core.job import RunKey, Tres
from carbonslurm.core.without_us import Lived, Waiter, starts_without_us
from carbonslurm.sim.pools import PartitionSize
from carbonslurm.sim.queue_model import queueing_on

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
ONE_NODE = PartitionSize(nodes=1, cpus=64, gpus=4)
WHOLE = Tres(cpus=64, nodes=1, gpus={"a100": 4})
HALF = Tres(cpus=32, nodes=1, gpus={"a100": 2})


def at(hour: float) -> datetime:
    return MIDNIGHT + hour * HOUR


def lived(
    number: int,
    eligible: float,
    started: float,
    hours: float,
    *,
    released: float | None = None,
    **more: object,
) -> Lived:
    facts: dict[str, object] = {
        "key": RunKey("green", number, at(eligible)),
        "eligible": at(eligible),
        "released": at(eligible if released is None else released),
        "started": at(started),
        "length": hours * HOUR,
        "work": hours * HOUR,
        "limit": None,
        "tres": WHOLE,
    }
    return Lived(**(facts | more))  # type: ignore[arg-type]


def starts(*runs: Lived, size: PartitionSize = ONE_NODE) -> list[float]:
    """The hours at which a queue without us would have started these, in order."""

    def queueing(waiters: Sequence[Waiter]) -> list[datetime | None]:
        return queueing_on(size, waiters)

    found = starts_without_us(runs, queueing)
    return [(found[run.key] - MIDNIGHT) / HOUR for run in runs if run.key in found]


def test_on_an_empty_cluster_a_run_starts_when_it_first_could() -> None:
    assert starts(lived(1, 1, 6, 2, released=6)) == [1]


def test_a_run_that_made_room_for_another_is_charged_with_what_that_one_gained() -> None:
    """Withheld from 0 to 5; meanwhile another one ran from 1 to 4, which would have had to wait until 2."""
    assert starts(lived(1, 0, 5, 2, released=5), lived(2, 1, 1, 3)) == [0, 2]


def test_a_run_that_took_room_from_another_is_charged_with_what_that_one_lost() -> None:
    """Withheld from 0 to 3, it keeps out one that comes at 4 until 5; at 0 it would have been gone by 2."""
    assert starts(lived(1, 0, 3, 2, released=3), lived(2, 4, 5, 1)) == [0, 4]


def test_a_wait_that_was_the_queue_s_is_no_saving() -> None:
    """The node was taken until 5 anyway: withholding until 5 changed nothing."""
    assert starts(lived(1, 0, 0, 5), lived(2, 1, 5, 2, released=5)) == [0, 5]


def test_of_a_wait_that_was_ours_in_part_only_that_part_counts() -> None:
    """The node was taken until 3; withheld until 5."""
    assert starts(lived(1, 0, 0, 3), lived(2, 1, 5, 2, released=5)) == [0, 3]


def test_what_our_stop_cut_in_two_would_have_run_in_one_piece() -> None:
    """Stopped after 2 of 4 hours until 6; another one that came at 3 got the node, and would not have."""
    first = lived(1, 0, 0, 2.5, work=2 * HOUR)
    second = lived(1, 2.5, 6, 2, released=6, continues=True)
    assert starts(first, second, lived(2, 3, 3, 1)) == [0, 4]


def test_backfill_lets_short_ones_past() -> None:
    """A half node for an hour fits beside a half node until 4, while a whole one waits."""
    size = ONE_NODE
    before = lived(1, 0, 0, 4, tres=HALF, limit=4 * HOUR)
    big = lived(2, 1, 4, 1, limit=HOUR)
    short = lived(3, 2, 3, 1, tres=HALF, limit=HOUR, released=3)
    assert starts(before, big, short, size=size) == [0, 4, 2]


def test_a_run_that_the_machines_could_not_hold_has_none() -> None:
    assert starts(lived(1, 0, 0, 1, tres=Tres(cpus=65, nodes=1)), lived(2, 0, 0, 1)) == [0]


def test_a_start_that_the_simulation_does_not_understand_moves_by_the_difference_alone() -> None:
    """It stood in no queue that is known here, but started at 9: a limit of its account. That stays."""
    assert starts(lived(1, 0, 9, 1)) == [9]
    assert starts(lived(1, 0, 9, 1, released=5)) == [4]


whole_hours = st.integers(0, 40)
histories = st.lists(
    st.tuples(
        whole_hours, st.integers(0, 8), st.integers(0, 6), st.integers(1, 9), st.sampled_from([WHOLE, HALF])
    ),
    min_size=1,
    max_size=12,
)


def _history(rows: Sequence[tuple[int, int, int, int, Tres]], *, ours: bool) -> list[Lived]:
    return [
        lived(
            number,
            eligible,
            eligible + delay * ours + queued,
            hours,
            released=eligible + delay * ours,
            tres=tres,
        )
        for number, (eligible, delay, queued, hours, tres) in enumerate(rows)
    ]


@settings(max_examples=40, deadline=None)
@given(histories)
def test_where_we_did_nothing_every_run_is_its_own_baseline(
    rows: Sequence[tuple[int, int, int, int, Tres]],
) -> None:
    runs = _history(rows, ours=False)
    found = starts_without_us(runs, lambda waiters: queueing_on(ONE_NODE, waiters))
    assert found == {run.key: run.started for run in runs}


@settings(max_examples=40, deadline=None)
@given(histories)
def test_where_there_is_room_for_all_only_our_own_delays_count(
    rows: Sequence[tuple[int, int, int, int, Tres]],
) -> None:
    runs = _history(rows, ours=True)
    roomy = PartitionSize(nodes=len(runs), cpus=64, gpus=4)
    found = starts_without_us(runs, lambda waiters: queueing_on(roomy, waiters))
    assert found == {run.key: run.started - (run.released - run.eligible) for run in runs}


@settings(max_examples=40, deadline=None)
@given(histories)
def test_nobody_starts_before_it_could(rows: Sequence[tuple[int, int, int, int, Tres]]) -> None:
    runs = _history(rows, ours=True)
    found = starts_without_us(runs, lambda waiters: queueing_on(ONE_NODE, waiters))
    assert all(found[run.key] >= run.eligible for run in runs)
