"""EASY backfill against a second, slow one that is written down as it was published (Lifka 1995).

The reference knows nothing of heaps, needs or places: it keeps a list of waiting jobs and a list of running
ones, and at each arrival and each end goes through them as the paper says.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traces import HOUR, START, J, hourly, setting_of, simulated, trace_of

from carbonslurm.core.forecast import Floats
from carbonslurm.sim.comparison import Setting, run
from carbonslurm.sim.pools import NodeGroup, PartitionSize

FLAT = hourly([100] * 800)


@dataclass
class Easy:
    """Plain EASY on units; times in hours, estimates by time limit."""

    units: float

    def starts(self, work: list[J]) -> list[float]:
        """When each job starts, in the order given."""
        order = sorted(range(len(work)), key=lambda job: work[job].at)
        waiting: list[int] = []
        running: dict[int, float] = {}
        started: dict[int, float] = {}
        while len(started) < len(work) or running:
            now = min(
                [work[job].at for job in order if job not in started and job not in waiting]
                + self._ends(work, running)
            )
            for job in [job for job in running if running[job] + work[job].length <= now + 1e-9]:
                del running[job]
            waiting += [
                job
                for job in order
                if job not in started and job not in waiting and work[job].at <= now + 1e-9
            ]
            for job in self._chosen(work, waiting, running, now):
                running[job] = started[job] = now
                waiting.remove(job)
        return [started[job] for job in range(len(work))]

    @staticmethod
    def _ends(work: list[J], running: dict[int, float]) -> list[float]:
        return [begun + work[job].length for job, begun in running.items()]

    def _chosen(self, work: list[J], waiting: list[int], running: dict[int, float], now: float) -> list[int]:
        """The first ones that fit in order; then whoever does not delay the first that does not."""
        expected = {job: begun + (work[job].limit or work[job].length) for job, begun in running.items()}
        free = self.units - sum(work[job].units for job in running)
        chosen: list[int] = []
        queue = list(waiting)
        while queue and work[queue[0]].units <= free + 1e-9:
            job = queue.pop(0)
            chosen.append(job)
            free -= work[job].units
            expected[job] = now + (work[job].limit or work[job].length)
        if not queue:
            return chosen
        first, *others = queue
        shadow, then = now, free
        for job, end in sorted(expected.items(), key=lambda item: item[1]):
            if then + 1e-9 >= work[first].units:
                break
            shadow, then = end, then + work[job].units
        extra = then - work[first].units
        for job in others:
            lasting = work[job].limit or work[job].length
            if work[job].units > free + 1e-9:
                continue
            if now + lasting <= shadow + 1e-9:
                free -= work[job].units
                chosen.append(job)
            elif work[job].units <= extra + 1e-9:
                free, extra = free - work[job].units, extra - work[job].units
                chosen.append(job)
        return chosen


# Arrivals, lengths and limits that never meet at one instant: ties are not what this is about.
moments = st.lists(st.integers(1, 4000), min_size=1, max_size=12, unique=True)


@st.composite
def workloads(draw: st.DrawFn) -> list[J]:
    """Jobs of 1 to 6 units with limits that are kept."""
    work = []
    for number, at in enumerate(sorted(draw(moments))):
        length = draw(st.integers(1, 300)) / 10 + number / 997
        limit = length + draw(st.integers(0, 200)) / 10 + number / 4999
        work.append(J(at / 100 + number / 100_003, length, float(draw(st.integers(1, 6))), limit))
    return work


def starts_h(found: Floats) -> list[float]:
    return [float(start) for start in (found - START) / HOUR]


@settings(deadline=None, max_examples=60)
@given(work=workloads(), units=st.integers(6, 10))
def test_with_no_delay_every_start_is_plain_easy_s(work: list[J], units: int) -> None:
    done = simulated("easy-withhold", work, FLAT, units=units, max_delay="0")
    assert starts_h(done.outcome.first_start) == pytest.approx(Easy(units).starts(work), abs=1e-6)


def on_nodes(work: list[J], nodes: int) -> Setting:
    """Nodes of one CPU each, and jobs of so many nodes: as good as units."""
    made = setting_of(work, FLAT)
    jobs = tuple(replace(job, nodes=job.cpus) for job in made.trace.jobs)
    group = NodeGroup(PartitionSize(nodes, 1), frozenset({"main"}))
    return replace(
        made, trace=replace(made.trace, jobs=jobs), partitions=[[group]], pool_units=[float(nodes)]
    )


@settings(deadline=None, max_examples=30)
@given(work=workloads(), nodes=st.integers(6, 10))
def test_on_nodes_likewise(work: list[J], nodes: int) -> None:
    setting = replace(on_nodes(work, nodes), parameters={"max_delay": "0"})
    done = run(setting, "easy-withhold", lambda: 0.0, lambda _: None)
    assert starts_h(done.outcome.first_start) == pytest.approx(Easy(nodes).starts(work), abs=1e-6)


def test_the_reference_by_hand() -> None:
    """The line of test_engine: the second needs all four units from hour 4 on."""
    work = [J(0, 4, 3), J(1, 2, 4), J(1.5, 2, 1), J(1.6, 3, 1)]
    assert Easy(4).starts(work) == [0, 4, 1.5, 6]
    assert trace_of(work).arrival[0] == START
    assert np.isclose(HOUR, 3600)
