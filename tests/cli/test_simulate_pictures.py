"""What the picture of carbonslurm simulate draws: load between nought and the room."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traces import HOUR, QUICK, J, hourly, setting_of

from carbonslurm.cli.simulate_pictures import load, shown_loads
from carbonslurm.sim.comparison import run
from carbonslurm.sim.registry import POLICIES

jobs = st.lists(
    st.builds(
        J,
        at=st.integers(0, 40).map(lambda quarter: quarter / 4),
        length=st.integers(1, 16).map(lambda quarter: quarter / 4),
        units=st.integers(1, 4).map(float),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("name", POLICIES)
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(work=jobs, values=st.lists(st.integers(1, 500), min_size=24, max_size=48))
def test_load_lies_between_nought_and_the_room_and_adds_up_to_the_work(
    name: str, work: list[J], values: list[int]
) -> None:
    """Many jobs end at the instant at which others start; what a stop lost is done again."""
    quick = {"joint.iterations": QUICK}
    setting = setting_of(work, hourly(np.resize(values, 24 * 14).tolist()), units=4, parameters=quick)
    done = run(setting, name, lambda: 0.0, lambda _: None)
    moments, busy = load(setting, done)
    assert (np.diff(moments) > 0).all()
    assert ((busy >= 0) & (busy <= 4)).all()
    assert busy[-1] == 0
    useful = sum(job.length * job.units for job in work)
    # Starts are rounded up to whole seconds, and so is each restart after a stop.
    assert (np.diff(moments) * busy[:-1]).sum() == pytest.approx(
        (useful + done.row.lost_work_h) * HOUR, abs=1.0 + done.row.stops
    )


def test_the_load_of_no_wait_and_of_the_four_that_save_the_most_is_drawn() -> None:
    setting = setting_of([J(0, 2), J(1, 3), J(2, 1)], hourly([400.0, 300.0, 100.0, 50.0] * 84), units=2)
    runs = [run(setting, name, lambda: 0.0, lambda _: None) for name in reversed(POLICIES)]
    shown = [runs[place].row for place in shown_loads(runs)]
    others = [done.row for done in runs if done.row not in shown]
    assert len(shown) == 5
    assert "no-wait" in {row.policy for row in shown}
    least = min(row.saved_percent or 0.0 for row in shown if row.policy != "no-wait")
    assert max(row.saved_percent or 0.0 for row in others) <= least
    assert shown_loads(runs[:2]) == [0, 1]
