"""A statement -> the blocks of its pages: what is said, in which order, and what must be said with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbonslurm import __version__
from carbonslurm.cli import report_charts as charts
from carbonslurm.cli import report_savings as savings
from carbonslurm.cli.report_blocks import Chart, Heading, KeyFigures, Points, Report, Rows, Words
from carbonslurm.cli.sacct_totals import likened
from carbonslurm.formats.terminal import cleaned, energy_text, grams_text, three_digits
from carbonslurm.formats.times import length_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from carbonslurm.app.report import Totals
    from carbonslurm.app.statement import Statement
    from carbonslurm.cli.report_blocks import Block

NAMES = {"user": "User", "account": "Account", "partition": "Partition", "name": "Job name"}
HEADER = ("Runs", "GPU hours", "Energy", "Emitted", "At once", "Saved", "%", "Late")
NOT_CLAIMED = (
    """These are attributed emissions: shares of what the grid emitted, handed to the jobs by a rule. A
    saving is the difference between two such shares, and does not say that a power station burnt less.
    Write "attributed emissions were lower than if the jobs had started at once"; do not write "avoided"
    or "offset".""",
    """Nothing is claimed for the machine room by sums of jobs: idle nodes draw power while jobs wait, and
    are in no figure of any job, user or group.""",
    """Grams of different kinds (average, marginal) or scopes (lifecycle, direct), or of different
    providers, must not be compared or added.""",
    """A saving is never to be named without the waiting that it took.""",
    """Making the machines, and scrapping them, is not included.""",
)
HOW = """Energy is that of the run, times the room's PUE: measured where the method says so, else
modelled from what the run held. Emissions are energy times the grid's intensity while the job ran, step
by step. "At once" is the same work, earlier by the delay that waiting for clean hours caused, and
without what stops lost; on a full cluster it might have had to wait for room. "Estimated" values are
those that may yet be revised."""


def content(found: Statement) -> Report:
    """Return the report of a statement."""
    blocks = [
        *_overview(found),
        *savings.against(found),
        *_by_month(found),
        *_by_hour(found),
        *_by_whom(found),
        *savings.machines(found),
        *_how(found),
    ]
    made = found.made_at.astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return Report(
        title=f"Energy and emissions: {cleaned(found.who)}",
        subtitle=f"Jobs on {cleaned(found.cluster)} that started from {_day(found.window.start)} to before"
        f" {_day(found.window.end)} ({found.clocks})",
        blocks=blocks,
        foot=f"carbonslurm {__version__}, from its ledger on {made}",
    )


def _overview(found: Statement) -> Iterator[Block]:
    whole = found.whole
    if not whole.runs and not found.others:
        yield Words("No job started in this time.")
        return
    wait = "" if whole.mean_wait is None else f", {length_text(whole.mean_wait)} on average"
    known = whole.known > 0
    yield KeyFigures(
        [
            (grams_text(whole.emitted_g if known else None), "CO2e emitted", found.nature or "no figure yet"),
            (energy_text(whole.energy_kwh if known else None), "electricity", "PUE included"),
            (
                charts.saved_words(whole) if known else "unknown",
                "saved",
                "against starting each job at once",
            ),
            (f"{whole.withheld:,}", "runs that waited", f"of {whole.runs:,}{wait}"),
        ]
    )
    yield Words(
        f"{whole.withheld:,} of {whole.runs:,} runs waited for cleaner hours{wait}; {whole.late:,} of all"
        f" started after the latest time that was promised, and {whole.stops:,} were stopped for later."
    )
    if known:
        yield Words(" ".join(f"{line}." for line in likened(whole)), small=True)
    yield from _gaps(found)


def _gaps(found: Statement) -> Iterator[Block]:
    """Say what is in none of the sums."""
    if found.whole.unknown:
        yield Words(
            f"Without a figure are {found.whole.unknown:,} of these runs, because they still run or their"
            " grid's intensity is not known: they are in no sum of energy or emissions.",
            small=True,
        )
    for going in found.running:
        nature = f" of {going.nature} CO2e" if going.nature else ""
        yield Words(
            f"{going.runs:,} of them still run, and have taken {energy_text(going.energy_kwh)} and emitted"
            f" {grams_text(going.emitted_g)}{nature} so far.",
            small=True,
        )
    for nature, item in found.others.items():
        yield Words(
            f"Beside these, {item.known:,} runs have grams of another kind ({nature}):"
            f" {grams_text(item.emitted_g)} emitted, {charts.saved_words(item)} saved. They are not added.",
            small=True,
        )


def _by_month(found: Statement) -> Iterator[Block]:
    if not found.whole.known:
        return
    yield Heading("Month by month")
    yield Chart("Emissions by month, and what they would have been", charts.months(found.months))
    cells = [[row.name, *_cells(row.totals), _g(row.totals.g_per_kwh), _g(row.grid)] for row in found.months]
    cells.append(["all", *_cells(found.whole), _g(found.whole.g_per_kwh), ""])
    yield Rows(("Month", *HEADER, "g/kWh", "Grid's"), cells, sum_row=True)
    if any(row.grid is not None for row in found.months):
        text = "The intensity that jobs met by month, and the grid's mean"
        yield Chart(text, charts.intensities(found.months, found.zone or ""), 2.1)


def _by_hour(found: Statement) -> Iterator[Block]:
    if found.hours is None:
        return
    yield Heading("When the jobs ran")
    yield Words(
        f"Energy by the hour of the day ({found.clocks}) in grid zone {cleaned(found.zone or '')}: bars as it"
        " was taken, the dark line as it would have been had each job started at once, and the grid's mean"
        " intensity in these hours as it was measured.",
        small=True,
    )
    yield Chart("Energy by the hour of the day against the grid's intensity", charts.hours(found.hours))


def _by_whom(found: Statement) -> Iterator[Block]:
    for name, rows in found.groups.items():
        if len(rows) < 2 or not found.whole.known:
            continue
        what = NAMES[name].lower()
        yield Heading(f"By {what}")
        yield Chart(f"Emissions by {what}", charts.shares(rows), 0.75 + 0.24 * len(rows))
        cells = [[charts.short(key), *_cells(item)] for key, item in rows]
        yield Rows((NAMES[name], *HEADER), [*cells, ["all", *_cells(found.whole)]], sum_row=True)


def _how(found: Statement) -> Iterator[Block]:
    if found.methods:
        yield Heading("How the numbers came about")
        yield Words(_in_one_line(HOW))
        cells = [
            [
                it.energy,
                it.quality,
                cleaned(it.source),
                it.values,
                f"{it.totals.runs:,}",
                energy_text(it.totals.energy_kwh),
                grams_text(it.totals.emitted_g),
            ]
            for it in found.methods
        ]
        header = ("Energy by", "Quality", "Intensity by", "Values", "Runs", "Energy", "Emitted")
        yield Rows(header, cells, left=frozenset(range(4)))
    yield Heading("What may be said, and what not")
    yield Points([_in_one_line(text) for text in NOT_CLAIMED])


def _cells(item: Totals) -> Sequence[str]:
    known = item.known > 0 or not item.runs
    emitted, baseline = (item.emitted_g, item.baseline_g) if known else (None, None)
    return (
        f"{item.runs:,}",
        f"{item.gpu_hours:,.0f}",
        energy_text(item.energy_kwh if known else None),
        grams_text(emitted),
        grams_text(baseline),
        grams_text(item.saved_g if known else None),
        "" if item.saved_percent is None or not known else f"{item.saved_percent:.1f}",
        f"{item.late:,}",
    )


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def _g(value: float | None) -> str:
    return "" if value is None else three_digits(value)


def _day(moment: datetime) -> str:
    local = moment.astimezone()
    form = "%Y-%m-%d" if (local.hour, local.minute, local.second) == (0, 0, 0) else "%Y-%m-%d %H:%M"
    return local.strftime(form)
