"""(c) From threshold crossing to the last withheld job released, by begin times, holds and the gate.

The grid turns clean, our sources are asked, and cycles follow one another at once until Slurm itself
withholds no job any more. On a site the pauses between cycles come on top: they are added up for one minute.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from carbonslurm.sandbox import wait_until
from slurm_parts.daemon import CLEAN_G, DIRTY_G, cycles, grid
from slurm_parts.place import drain, meter, pending_ids, place, submit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from carbonslurm.sandbox.stage import Stage
    from slurm_parts.daemon import Cycles
    from slurm_parts.place import Cost

INTERVAL_S = 60  # between cycles on a site, for the sum
WINDOW_S = 10  # the hook's, two of the cycles that the bench's site is said to have
MOST = 100  # cycles
BY = ("begin", "hold", "gate")
LICENCE = "carbon"


def measure(jobs: int, budget: int, by: tuple[str, ...], root: Path | None) -> dict[str, Any]:
    """Measure each actuator on a sandbox of its own."""
    return {name: one(name, jobs, budget, root) for name in by}


def one(by: str, jobs: int, budget: int, root: Path | None) -> dict[str, Any]:
    """Withhold all jobs by one actuator, and let them go."""
    with place(root, Licenses=f"{LICENCE}:100000") as stage:
        drain(stage.sandbox)
        grid(stage, [DIRTY_G] * 24)
        with cycles(stage, site(by, budget)) as ours:
            submit(stage, jobs)
            ours.fetch()
            withhold(stage, by, ours)
            submitted = time.time()
            # On a site it lies hours back; while it lasts, a release would have to end it, too.
            wait_until(lambda: time.time() > submitted + WINDOW_S, 60, "the end of the hook's windows")
            grid(stage, [CLEAN_G] * 24)
            found: list[Cost] = []
            start = time.perf_counter()
            with meter(stage, stage.daemon_account).measuring(found):
                ours.fetch()
                count = until(ours, lambda: not withheld(stage, by))
            seconds = time.perf_counter() - start
        return {
            "slurm": stage.sandbox.slurm_version,
            "jobs": len(pending_ids(stage.sandbox)),
            "budget": budget,
            "cycles": count,
            "calls": found[0].calls,
            "seconds": round(seconds, 2),
            "with_interval_s": round(seconds + (count - 1) * INTERVAL_S, 1),
        }


def site(by: str, budget: int) -> Mapping[str, Any]:
    """A site whose jobs wait while the grid is above a threshold."""
    means = {} if by == "begin" else {"withhold": {"by": by}}
    policy = {"name": "threshold", "threshold": (DIRTY_G + CLEAN_G) / 2, "min_gain": 0.0}
    return {"cycle": {"interval": f"{WINDOW_S // 2}s", "updates": budget}, "policy": policy, **means}


def withhold(stage: Stage, by: str, ours: Cycles) -> None:
    """Cycle until every job waits because of us."""
    number = len(pending_ids(stage.sandbox))
    until(ours, lambda: withheld(stage, by) == number)


def until(ours: Cycles, condition: Any) -> int:
    """Cycle until something is so; how many cycles it took."""
    for count in range(1, MOST + 1):
        ours.cycle()
        if condition():
            return count
    raise SystemExit(f"not there after {MOST} cycles")


def withheld(stage: Stage, by: str) -> int:
    """How many jobs Slurm itself shows as waiting because of us."""
    if by == "gate":
        shut = LICENCE in stage.sandbox.run(["scontrol", "show", "reservation"]).stdout
        return len(pending_ids(stage.sandbox)) if shut else 0
    argv = ["squeue", "--noheader", "--states=PENDING", "--Format=EligibleTime:|,PriorityLong:|"]
    told = stage.sandbox.run(argv, env={"SLURM_TIME_FORMAT": "%s"}).stdout
    rows = [line.split("|") for line in told.splitlines()]
    if by == "hold":
        return sum(priority.strip() == "0" for _, priority, *_ in rows)
    # The hook's own window is two cycles; what lies beyond it is our doing.
    return sum(eligible.isdigit() and int(eligible) > time.time() + WINDOW_S for eligible, *_ in rows)


def table(found: dict[str, Any]) -> list[str]:
    """Lines for people."""
    first = next(iter(found.values()))
    lines = [
        f"(c) {first['jobs']} withheld jobs let go, Slurm {first['slurm']}, {first['budget']} updates a cycle"
    ]
    lines.append(f"{'':<28} {'RPCs':>7} {'cycles':>7} {'s':>8} {f'with {INTERVAL_S} s between':>19}")
    rows = [
        f"{row['calls']:>7} {row['cycles']:>7} {row['seconds']:>8.1f} {row['with_interval_s']:>19.1f}"
        for row in found.values()
    ]
    return lines + [f"{by:<28} {row}" for by, row in zip(found, rows, strict=True)]
