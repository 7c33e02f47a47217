"""(a) One cycle over thousands of pending flexible jobs, against a loop over them with scontrol."""

from __future__ import annotations

from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from slurm_parts import snapshot
from slurm_parts.daemon import CLEAN_G, DIRTY_G, cycles, grid
from slurm_parts.place import Cost, drain, meter, pending_ids, place, spawn, submit

if TYPE_CHECKING:
    from pathlib import Path

    from carbonslurm.sandbox.stage import Stage

STEADY = 7
LOOP = """
for job in $(squeue --noheader --states=PENDING --format=%i); do
    scontrol show job "$job" >/dev/null || exit 1
    scontrol update JobId="$job" StartTime=now+6hours || exit 1
done
"""


def measure(jobs: int, budget: int, root: Path | None) -> dict[str, Any]:
    """Withhold all jobs, budget by budget; cycle on while nothing changes; then the loop."""
    with place(root) as stage:
        drain(stage.sandbox)
        submit(stage, jobs)
        pending = len(pending_ids(stage.sandbox))
        grid(stage, clean_in_six_hours())
        reading = meter(stage, stage.daemon_account)
        changing: list[Cost] = []
        steady: list[Cost] = []
        settings = {"cycle": {"interval": "1m", "updates": budget}}
        with cycles(stage, settings) as ours:
            ours.fetch()
            while len(changing) <= 2 * jobs / budget:
                found: list[Cost] = []
                with reading.measuring(found):
                    report = ours.cycle()
                if report["actions"] == 0:
                    break
                changing += found
            for _ in range(STEADY):
                with reading.measuring(steady):
                    ours.cycle()
        return {
            "slurm": stage.sandbox.slurm_version,
            "jobs": pending,
            "budget": budget,
            "changing": summary(changing),
            "most_calls_when_changing": max(cost.calls for cost in changing),
            "cycles_until_all_are_withheld": len(changing),
            "steady": summary(steady),
            "snapshot": snapshot.measure(stage),
            "loop": summary([loop(stage)]),
        }


def clean_in_six_hours() -> list[float]:
    """A day's profile, UTC: clean for an hour in six hours."""
    clean = (datetime.now(UTC).hour + 6) % 24
    return [CLEAN_G if hour == clean else DIRTY_G for hour in range(24)]


def loop(stage: Stage) -> Cost:
    """What the loop costs, by the same account."""
    found: list[Cost] = []
    with meter(stage, stage.daemon_account).measuring(found):
        shell = spawn(stage.sandbox, ["/bin/sh", "-c", LOOP], stage.daemon_account)
        if shell.wait():
            raise SystemExit("the loop failed")
    return found[0]


def summary(costs: list[Cost]) -> dict[str, float]:
    """Medians."""
    names = ("seconds", "calls", "handled", "cpu")
    return {name: round(median(getattr(cost, name) for cost in costs), 3) for name in names}


def table(found: dict[str, Any]) -> list[str]:
    """Lines for people."""
    loop_calls = found["loop"]["calls"]
    rows = {
        f"cycle, {found['budget']} changes": found["changing"],
        "cycle, nothing to change": found["steady"],
        "scontrol loop": found["loop"],
    }
    lines = [f"(a) {found['jobs']} pending flexible jobs, Slurm {found['slurm']}"]
    lines += [f"{'':<28} {'RPCs':>7} {'wall s':>8} {'RPC s':>8} {'CPU s':>8} {'fewer RPCs':>11}"]
    lines += [
        f"{name:<28} {row['calls']:>7.0f} {row['seconds']:>8.2f} {row['handled']:>8.3f} {row['cpu']:>8.2f}"
        f" {loop_calls / row['calls']:>10.0f}x"
        for name, row in rows.items()
    ]
    lines.append(f"most RPCs of a cycle that changes jobs: {found['most_calls_when_changing']}")
    return lines + snapshot.table(found["snapshot"])
