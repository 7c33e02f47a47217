"""carbon-sacct --html and --pdf: a statement of a user's, a group's or a site's jobs, as a file to print."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING

from carbonslurm import wiring
from carbonslurm.app.cluster_totals import cluster_totals
from carbonslurm.app.statement import Stating
from carbonslurm.cli.program import say
from carbonslurm.cli.sacct_filter import read_filter
from carbonslurm.core.going import running_sums
from carbonslurm.core.interval import Interval
from carbonslurm.errors import RefusedError, UnavailableError, UsageError
from carbonslurm.formats.times import read_moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from carbonslurm.app.cluster_totals import GroupTotals
    from carbonslurm.app.report import Books
    from carbonslurm.app.statement import Statement
    from carbonslurm.config import Config
    from carbonslurm.ledger.reading import Reading
    from carbonslurm.ports import RunFilter

WHOLE = (("ids", "-j"), ("states", "-s"))


@dataclass(frozen=True, slots=True)
class Files:
    """Where to; None for not."""

    html: Path | None
    pdf: Path | None


def checked(given: Mapping[str, object]) -> Files:
    """Return where to write, before anything is worked out.

    Raises:
        UsageError: an option does not go with a report, or both files are one.
        UnavailableError: matplotlib is not installed.
    """
    for name, option in WHOLE:
        if given[name]:
            raise UsageError(f"a report is about all runs of its time: leave out {option}")
    try:
        import_module("matplotlib")
    except ImportError as error:
        raise UnavailableError("--html and --pdf need matplotlib: pip install 'carbonslurm[plot]'") from error
    files = Files(given["html"], given["pdf"])  # type: ignore[arg-type]  # click read them as paths
    if files.html == files.pdf:
        raise UsageError("--html and --pdf: one file cannot be both")
    return files


def read_window(given: Mapping[str, object], cluster: str, now: datetime) -> RunFilter:
    """Return which runs the report is about: those that started this year, where no other time is given.

    Raises:
        UsageError: a word cannot be understood.
    """
    year = str(given["starttime"] or now.astimezone().strftime("%Y-01"))
    wanted = read_filter({**given, "starttime": year}, cluster, now).runs
    end = read_moment(str(given["endtime"] or "now"), now)
    return replace(wanted, window=None, started=Interval(read_moment(year, now), end))


def state(config: Config, book: Reading, books: Books, wanted: RunFilter, now: datetime) -> Statement:
    """Work out the statement.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    cluster = ", ".join(wanted.clusters) or "all clusters"
    found = Stating(books, book).state(wanted, whose(wanted), cluster, now)
    going = [] if wanted.as_of else [row.run for row in book.runs(replace(wanted, running=True))]
    so_far = wiring.looking(config, book).at(going) if going else {}
    return replace(found, running=running_sums(so_far), machines=_machines(config, book, wanted))


def _machines(config: Config, book: Reading, wanted: RunFilter) -> Sequence[GroupTotals]:
    """Return totals of the machines with idle nodes, which are nobody's: only where all jobs are meant."""
    of_some = wanted.users or wanted.accounts or wanted.qos or wanted.names or wanted.as_of
    window = wanted.started
    if of_some or window is None or window.end <= window.start:
        return ()
    if wanted.clusters and config.cluster not in wanted.clusters:
        return ()
    mine = set(wanted.partitions)
    groups = [it for it in wiring.machine_groups(config) if not mine or mine & set(it.partitions)]
    return cluster_totals(book, config.cluster, groups, window) if groups else ()


def whose(wanted: RunFilter) -> str:
    """Say in words whose jobs these are."""
    parts = [
        _named(word, names)
        for word, names in (
            ("user", wanted.users),
            ("account", wanted.accounts),
            ("partition", wanted.partitions),
        )
        if names
    ]
    parts += [f"QOS {', '.join(wanted.qos)}"] if wanted.qos else []
    return "; ".join(parts) or "all users"


def _named(word: str, names: Sequence[str]) -> str:
    return f"{word}{'s' if len(names) > 1 else ''} {', '.join(names)}"


def write(files: Files, found: Statement) -> None:
    """Write the files, and say so.

    Raises:
        RefusedError: one cannot be written.
    """
    from carbonslurm.cli import report_html, report_pdf
    from carbonslurm.cli.report_content import content

    report = content(found)
    for path in (files.html, files.pdf):
        if path is None:
            continue
        try:
            if path is files.html:
                path.write_text(report_html.page(report), encoding="utf-8")
            else:
                report_pdf.write(report, path)
        except OSError as error:
            raise RefusedError(f"{path}: {error.strerror}") from error
        say(f"{path}: written")
