"""What ``carbonslurm replay --observed`` prints: what observe mode would have done, beside what happened."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from carbonslurm.cli import program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbonslurm.app.observed import Observed, ObservedRun
    from carbonslurm.config import Config
    from carbonslurm.core.interval import Interval

HOUR = timedelta(hours=1)
HEADER = ["WHAT", "RUNS", "CARBON_KG", "SAVED_KG", "SAVED%", "MEAN_W_H", "P95_W_H", "MAX_W_H", "LATE"]
RIGHT = frozenset(range(1, len(HEADER)))


def found(config: Config, window: Interval) -> Observed:
    """Look into the ledger, and say on stderr what does not fit into the table.

    Raises:
        CarbonslurmError: the ledger cannot be read, or nothing was observed.
    """
    from carbonslurm import wiring
    from carbonslurm.app.observed import observed

    where = wiring.zones(config)
    with wiring.reading(config) as book:
        report = observed(
            book, book, config.cluster, lambda name: where.partitions.get(name, where.default), window
        )
    for line in _told(report):
        program.say(line, "carbonslurm")
    return report


def _told(report: Observed) -> list[str]:
    delayed = sum(run.delayed for run in report.runs)
    lines = [f"{len(report.runs)} flexible runs ended, of which {delayed} would have waited longer"]
    unknown = len(report.runs) - len(report.known)
    if unknown:
        lines.append(f"{unknown} runs of which an intensity is unknown: in no sum of carbon")
    if report.acted:
        lines.append(
            f"{report.acted} runs left out: they were really withheld or stopped (carbon-sacct has them)"
        )
    if stopped := [run for run in report.runs if run.stops]:
        expected = sum(run.stops_saving_g for run in stopped) / 1000
        lines.append(
            f"{len(stopped)} runs would have been stopped, to save {expected:.2f} kg: not in the table"
        )
    return lines


@dataclass(frozen=True, slots=True)
class _Waits:
    """Waits in hours, None where there are no runs."""

    mean: float | None
    p95: float | None
    longest: float | None


def _waits(runs: Sequence[ObservedRun], *, planned: bool) -> _Waits:
    hours = sorted(
        run.wait(run.planned if planned else run.row.run.started or run.planned) / HOUR for run in runs
    )
    if not hours:
        return _Waits(None, None, None)
    p95 = statistics.quantiles(hours, n=20, method="inclusive")[-1] if len(hours) > 1 else hours[0]
    return _Waits(statistics.fmean(hours), p95, hours[-1])


def as_table(report: Observed) -> str:
    """Write two rows: what was, and what was planned."""
    from carbonslurm.formats.terminal import columns

    saved = report.emitted_g - report.planned_g
    percent = report.saved_percent
    late = sum(run.late for run in report.runs)
    rows = [
        _row(report, "happened", report.emitted_g, ["", ""], planned=False, late=""),
        _row(
            report,
            "planned",
            report.planned_g,
            [f"{saved / 1000:.2f}", "unknown" if percent is None else f"{percent:.1f}"],
            planned=True,
            late=str(late),
        ),
    ]
    return columns(HEADER, rows, RIGHT)


def _row(
    report: Observed, what: str, grams: float, saved: list[str], *, planned: bool, late: str
) -> list[str]:
    waits = _waits(report.runs, planned=planned)
    hours = ["" if value is None else f"{value:.2f}" for value in (waits.mean, waits.p95, waits.longest)]
    return [what, str(len(report.runs)), f"{grams / 1000:.2f}", *saved, *hours, late]


def as_json(report: Observed) -> str:
    """Write an object: sums, and a list with each run."""
    import json

    was, planned = (_waits(report.runs, planned=which) for which in (False, True))
    return json.dumps(
        {
            "runs": len(report.runs),
            "delayed": sum(run.delayed for run in report.runs),
            "late": sum(run.late for run in report.runs),
            "unknown": len(report.runs) - len(report.known),
            "acted": report.acted,
            "stops": sum(bool(run.stops) for run in report.runs),
            "stops_expected_g": sum(run.stops_saving_g for run in report.runs),
            "emitted_g": report.emitted_g,
            "planned_g": report.planned_g,
            "saved_percent": report.saved_percent,
            "mean_wait_h": was.mean,
            "planned_mean_wait_h": planned.mean,
            "p95_wait_h": was.p95,
            "planned_p95_wait_h": planned.p95,
            "max_wait_h": was.longest,
            "planned_max_wait_h": planned.longest,
            "jobs": [_job(run) for run in report.runs],
        }
    )


def _job(run: ObservedRun) -> dict[str, object]:
    from carbonslurm.core.interval import iso

    facts = run.row.run
    return {
        "job": facts.shown_id,
        "user": facts.user,
        "partition": facts.partition,
        "started": iso(facts.started) if facts.started else None,
        "planned": iso(run.planned),
        "bound": iso(run.bound) if run.bound else None,
        "late": run.late,
        "emitted_g": run.emitted_g,
        "planned_g": run.planned_g,
        "stops": run.stops,
    }
