"""joint's speed: bin/bench timetable.

One plan of many pending jobs, no two alike, over seven days of forecast in steps of ten minutes, on one core:
the median of several. CPU time, so that other work on the machine does not show.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # one core; numpy reads it when it is imported

import argparse
import json
import resource
import statistics
import time

import numpy as np

from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.scene import RunningJobs, Scene, StopCost, WaitingJobs
from carbonslurm.core.timetable import Joint, joint

HOUR = 3600.0
NOW = 1_700_000_000.0 // HOUR * HOUR
STEP = 600.0
STEPS = 7 * 144
ROUNDS = 5
COUNTS = (1_000, 10_000, 100_000)


def forecast() -> Series:
    """Seven days with a clean noon."""
    hours = np.arange(STEPS) * STEP / HOUR
    values = 300 - 150 * np.cos((hours - 1) * np.pi / 12) + 30 * np.sin(hours * 1.7)
    nature = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    edges = NOW + STEP * np.arange(STEPS + 1)
    return Series("X", "bench", nature, edges, values, np.zeros(STEPS, dtype=bool))


def waiting(count: int, draw: np.random.Generator) -> WaitingJobs:
    """So many jobs, no two alike, with five equally likely rests each."""
    rests = draw.lognormal(1.0, 1.2, (count, 5)).clip(0.05, 100) * HOUR
    rests.sort(axis=1)
    return WaitingJobs(
        ids=np.arange(count),
        arrived=np.full(count, NOW),
        earliest=np.full(count, NOW),
        latest=NOW + draw.uniform(0, 24, count) * HOUR,
        length=rests.mean(axis=1),
        longest=rests[:, -1],
        units=draw.integers(1, 9, count).astype(float),
        pool=np.zeros(count, dtype=np.int64),
        owner=draw.integers(0, 300, count),
        planned=np.full(count, np.nan),
        stops=np.zeros(count, dtype=np.int64),
        rests=rests,
    )


def nobody() -> RunningJobs:
    """No job runs."""
    none, some = np.zeros(0), np.zeros(0, dtype=np.int64)
    return RunningJobs(
        some, none, none, none, none, some, some, some, np.zeros(0, dtype=bool), np.zeros((0, 5))
    )


def scene(count: int) -> Scene:
    """So many jobs before a cluster that could do all of it in fourteen hours: full, and in no rush."""
    jobs = waiting(count, np.random.default_rng(count))
    work = float((jobs.units * jobs.length).sum()) / HOUR
    series = forecast()
    return Scene(
        now=NOW,
        waiting=jobs,
        running=nobody(),
        room=np.array([max(work / 14, 8.0)]),
        forecasts=(series,),
        bands=(None,),
        stop=StopCost(lost=300.0),
        cycle=600.0,
    )


def measure(count: int, rules: Joint) -> dict[str, float]:
    """Return the seconds of a first plan and of one a cycle later, medians."""
    first, again = [], []
    given = scene(count)
    for _ in range(ROUNDS):
        start = time.process_time()
        placement = joint(given, rules)
        first.append(time.process_time() - start)
        later = Scene(
            given.now + given.cycle,
            given.waiting,
            given.running,
            given.room,
            given.forecasts,
            given.bands,
            given.stop,
            given.cycle,
            None,
            placement.scarcity,
        )
        start = time.process_time()
        joint(later, rules)
        again.append(time.process_time() - start)
    return {"jobs": count, "first_s": statistics.median(first), "next_s": statistics.median(again)}


def main() -> None:
    """Print a row for each number of jobs."""
    parser = argparse.ArgumentParser(prog="bin/bench timetable", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one list of objects")
    parser.add_argument(
        "--minutes", type=int, default=60, help="a slot; slack and rest still count to 48 slots"
    )
    asked = parser.parse_args()
    rules = Joint(slot=60.0 * asked.minutes, slots=7 * 24 * 60 // asked.minutes)
    rows = [measure(count, rules) for count in COUNTS]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if asked.json:
        print(json.dumps(rows))
        return
    print(f"{'jobs':>8}  {'prices anew':>12}  {'prices kept':>12}")
    for row in rows:
        print(f"{row['jobs']:8.0f}  {row['first_s']:10.2f} s  {row['next_s']:10.2f} s")
    print(f"peak memory {memory:.0f} MB")


if __name__ == "__main__":
    main()
