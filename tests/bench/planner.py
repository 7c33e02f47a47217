"""The daemon's whole plan() under joint: bin/bench planner.

So many pending jobs of three hundred users before nodes that could do all of it in fourteen hours, a forecast
of seven days in steps of ten minutes, lengths learned from 20,000 past runs. Three plans: of a queue that
nobody has seen before; of the same queue in the next cycle, with its begin times set; and after an hour, when
prices are searched for anew. Medians of several, in CPU time of one core, so that other work on the machine
does not show. Python looks for garbage as seldom as in the daemon, or, with ``--collect``, as it is used to.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # one core; numpy reads it when it is imported

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from carbonslurm.core.action import Verb
from carbonslurm.core.capacity import Node
from carbonslurm.core.forecast import Kind, Nature, Scope, Series
from carbonslurm.core.job import JobKey, JobState, Queue, QueuedJob, Tres
from carbonslurm.core.length import Past, PastRun
from carbonslurm.core.ownership import Claim, Known
from carbonslurm.core.planner import Plan, plan
from carbonslurm.core.situation import PlanRules, Situation, Zones
from carbonslurm.core.tag import FlexibleBy, Tag
from carbonslurm.daemon import collect_seldom

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
STEP = 600.0
STEPS = 7 * 144
USERS, PAST, GPUS = 300, 20_000, 8
COUNTS = (1_000, 10_000, 100_000)
RULES = PlanRules(Zones("X"), policy="joint")


def forecast() -> Series:
    """Seven days with a clean noon."""
    hours = np.arange(STEPS) * STEP / 3600
    values = 300 - 150 * np.cos((hours - 1) * np.pi / 12) + 30 * np.sin(hours * 1.7)
    edges = NOW.timestamp() + STEP * np.arange(STEPS + 1)
    nature = Nature(Kind.AVERAGE, Scope.LIFECYCLE)
    return Series("X", "bench", nature, edges, values, np.zeros(STEPS, dtype=bool))


def pending(number: int, draw: np.random.Generator) -> QueuedJob:
    """A job like no other: its owner, its limit, its flexibility and its size are drawn."""
    came = NOW - timedelta(seconds=int(draw.integers(0, 3600)))
    user = int(draw.integers(0, USERS))
    return QueuedJob(
        key=JobKey("bench", number),
        spec=str(number),
        state=JobState.PENDING,
        user=f"user{user}",
        account=f"account{user % 40}",
        partition="gpu",
        qos="normal",
        submitted=came,
        eligible=came,
        started=None,
        time_limit=timedelta(minutes=int(draw.integers(10, 2880))),
        deadline=None,
        needs=(),
        held=False,
        reason="Priority",
        restarts=0,
        requeueable=True,
        tag=Tag(flex=timedelta(minutes=int(draw.integers(60, 1440))), by=FlexibleBy.OWNER),
        tres=Tres(cpus=8, nodes=1, gpus={"a100": int(draw.integers(1, GPUS + 1))}),
    )


def past(draw: np.random.Generator) -> Past:
    """What ended lately, the newest first."""
    runs = []
    for number in range(PAST):
        user, limit = int(draw.integers(0, USERS)), timedelta(minutes=int(draw.integers(10, 2880)))
        runs.append(
            PastRun(
                user=f"user{user}",
                account=f"account{user % 40}",
                partition="gpu",
                submitted=NOW - timedelta(minutes=3 * number),
                seconds=float(draw.uniform(0.05, 1.0)) * limit.total_seconds(),
                ended=True,
                time_limit=limit,
                tres=Tres(cpus=8, nodes=1, gpus={"a100": int(draw.integers(1, GPUS + 1))}),
                flex=6 * HOUR,
            )
        )
    return Past(runs)


def situation(count: int) -> Situation:
    """So many jobs, nothing known of them, before nodes that could do all of it in fourteen hours."""
    draw = np.random.default_rng(count)
    jobs = tuple(pending(number, draw) for number in range(1, count + 1))
    nodes = [Node(f"n{number}", frozenset({"gpu"}), 64, {"a100": GPUS}) for number in range(count // 2)]
    known = {job.key: Known(first_eligible=job.submitted) for job in jobs}
    return Situation(NOW, Queue(NOW, jobs), {"X": forecast()}, known, capacity=nodes, past=past(draw))


def later(given: Situation, found: Plan, after: timedelta) -> Situation:
    """The same queue after a while: what was planned is done, and who was let go or started is gone."""
    until = {action.job.key: action.until for action in found.actions if action.verb is Verb.WITHHOLD}
    now = given.now + after
    kept = [job for job in given.queue.jobs if (start := until.get(job.key)) is not None and start > now]
    jobs = tuple(replace(job, eligible=until[job.key], reason="BeginTime") for job in kept)
    known = {
        job.key: replace(
            given.known[job.key],
            claims=(Claim(0, until[job.key], job.submitted, job.key.job_id, given.now, settled=True),),
        )
        for job in jobs
    }
    return replace(given, now=now, queue=Queue(now, jobs), known=known, found=found.found)


def timed(count: int, rounds: int) -> dict[str, float]:
    """Return the medians of the three plans, and how many jobs the later two have."""
    given = situation(count)
    plan(given, RULES)  # what is learned of lengths is kept for an hour
    first, found = _median(lambda: plan(given, RULES), rounds)
    soon, hence = later(given, found, MINUTE), later(given, found, HOUR)
    again, _ = _median(lambda: plan(soon, RULES), rounds)
    anew, _ = _median(lambda: plan(hence, RULES), rounds)
    left = len(hence.queue.jobs)
    return {"jobs": count, "first_s": first, "next_s": again, "hour_s": anew, "left": left}


def _median(work: Callable[[], Plan], rounds: int) -> tuple[float, Plan]:
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        found = work()
        taken.append(time.process_time() - start)
    return statistics.median(taken), found


def main() -> None:
    """Print a row for each number of jobs."""
    parser = argparse.ArgumentParser(prog="bin/bench planner", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one list of objects")
    parser.add_argument("--rounds", type=int, default=5, help="plans of which the median is taken")
    parser.add_argument("--jobs", type=int, action="append", help="how many; several may be given")
    parser.add_argument("--collect", action="store_true", help="look for garbage after every 700 new values")
    asked = parser.parse_args()
    if not asked.collect:
        collect_seldom()
    rows = [timed(count, asked.rounds) for count in asked.jobs or COUNTS]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if asked.json:
        print(json.dumps(rows))
        return
    print(f"{'jobs':>8}  {'seen first':>10}  {'next cycle':>10}  {'an hour later':>13}  {'jobs then':>9}")
    for row in rows:
        times = f"{row['first_s']:8.2f} s  {row['next_s']:8.2f} s  {row['hour_s']:11.2f} s"
        print(f"{row['jobs']:8.0f}  {times}  {row['left']:9.0f}")
    print(f"peak memory {memory:.0f} MB")


if __name__ == "__main__":
    main()
