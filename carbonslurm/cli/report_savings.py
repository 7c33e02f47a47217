"""What a report says of savings: against which baseline, by which kind of intensity, and of the machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbonslurm.cli.report_blocks import Heading, Rows, Words
from carbonslurm.core.footprint import Baseline, percent_saved
from carbonslurm.formats.terminal import cleaned, energy_text, grams_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carbonslurm.app.cluster_totals import GroupTotals
    from carbonslurm.app.statement import Statement
    from carbonslurm.cli.report_blocks import Block

AT_ONCE, QUEUE = "each job at once", "a queue without us"
HEADER = ("Intensity", "Against", "Runs", "Emitted", "Would have been", "Saved", "%")
MACHINES: tuple[str, ...] = ("Machines", "Saved against", "Jobs %", "All %")
MACHINES += ("Nodes", "Used %", "Idle node-h", "Idle energy", "Idle emitted")
OF_THE_QUEUE = """"A queue without us" is when these jobs would have started had none of them been made to
wait, by a simulated queue on the site's nodes. Waiting jobs make room for others and take it from them: so
only its sum over all jobs of the machines says what waiting saved. That of a person or a group is a share of
it, and may be a loss that others' waiting caused."""
OF_KINDS = """Average and marginal intensities answer different questions. Their grams stand side by side for
the same runs, and are never added."""
OF_MACHINES = """What idle nodes took is a figure of its own, and is handed out to nobody. They draw power
while jobs wait, so the machines as a whole ("all") saved less, in percent, than their jobs did: against each
job at once, and against a queue without us."""


def against(found: Statement) -> Iterator[Block]:
    """Say against what was saved, where there is more than one answer."""
    whole = found.whole
    if not whole.known or not (whole.queued or found.beside):
        return
    yield Heading("Saved, and against what")
    rows = [_row(found.nature or "", AT_ONCE, whole.known, whole.emitted_g, whole.baseline_g)]
    if whole.queued:
        rows.append(_row(found.nature or "", QUEUE, whole.queued, whole.queued_g, whole.queue_g))
    for it in found.beside:
        baseline = it.baseline_g if it.with_baseline else None
        emitted = it.counted_g if it.with_baseline else it.emitted_g
        rows.append(_row(str(it.nature), AT_ONCE, it.with_baseline or it.runs, emitted, baseline))
    yield Rows(HEADER, rows, left=frozenset({0, 1}))
    if whole.queued:
        yield Words(_in_one_line(OF_THE_QUEUE), small=True)
    if found.beside:
        yield Words(_in_one_line(OF_KINDS), small=True)


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _row(nature: str, baseline: str, runs: int, emitted: float | None, without: float | None) -> list[str]:
    both = emitted is not None and without is not None
    percent = percent_saved(emitted, without) if emitted is not None and without is not None else None
    return [
        cleaned(nature),
        baseline,
        f"{runs:,}",
        grams_text(emitted),
        grams_text(without),
        grams_text((without or 0.0) - (emitted or 0.0) if both else None),
        "" if percent is None else f"{percent:.1f}",
    ]


def machines(found: Statement) -> Iterator[Block]:
    """Say what the machines as a whole took and saved, idle nodes included."""
    if not found.machines:
        return
    yield Heading("The machines, with their idle nodes")
    cells = [line for each in found.machines for line in _lines(each)]
    yield Rows(MACHINES, cells, left=frozenset({0, 1}))
    yield Words(_in_one_line(OF_MACHINES), small=True)


def _lines(item: GroupTotals) -> Iterator[list[str]]:
    """Write a line for each baseline that is known; what does not depend on it stands in the first."""
    known = [it for it in item.counted if it.runs]
    name, nodes = cleaned(",".join(item.group.partitions)), _nodes(item)
    for counted in known:
        percents = (counted.saved_percent, item.cluster_percent(counted))
        against = AT_ONCE if counted.baseline is Baseline.SIMPLE else QUEUE
        yield [name, against, *("unknown" if it is None else f"{it:.1f}" for it in percents), *nodes]
        name, nodes = "", [""] * len(nodes)
    if not known:
        yield [name, "", "unknown", "unknown", *nodes]


def _nodes(item: GroupTotals) -> list[str]:
    return [
        f"{item.group.nodes.count:,}",
        f"{100 * item.utilisation:.1f}",
        f"{item.idle_node_hours:,.0f}",
        energy_text(item.idle_kwh),
        grams_text(item.idle_g),
    ]
