"""carbon-sacct: the ledger's runs, as people know them from sacct, with energy and emissions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from carbonslurm.cli.program import HELP, JobIds, config_option, load_config, run, version_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carbonslurm.app.report import Totals
    from carbonslurm.config import Config
    from carbonslurm.ports import RunFilter, RunRow

GROUP_NAMES = ("user", "account", "partition", "qos", "month", "nature")


@click.command(context_settings=HELP)
@config_option
@click.option("-S", "--starttime", metavar="TIME", help="Runs in any state after this.  [default: today]")
@click.option("-E", "--endtime", metavar="TIME", help="Runs in any state before this.  [default: now]")
@click.option("-u", "--user", "users", metavar="USER[,USER]", help="Only runs of these users.")
@click.option("-a", "--allusers", is_flag=True, help="Runs of all users; root's default.")
@click.option("-A", "--accounts", metavar="ACCT[,ACCT]", help="Only runs of these accounts.")
@click.option("-j", "--jobs", "ids", type=JobIds(), metavar="ID[,ID]", help="Only these jobs, of any time.")
@click.option(
    "--as-of", metavar="TIME", help="The figures of that day, before later revisions.  [default: now]"
)
@click.option("-o", "--format", "fields", metavar="FIELD[,FIELD]", help="Which columns; see --helpformat.")
@click.option("-e", "--helpformat", is_flag=True, help="List the columns, and end.")
@click.option("--by", type=click.Choice(GROUP_NAMES), help="Totals instead of runs.")
@click.option("-P", "--parsable2", is_flag=True, help="Columns divided by |, for programs.")
@click.option("-n", "--noheader", is_flag=True, help="No line of headings.")
@click.option("--json", "as_json", is_flag=True, help="Runs, totals and what the figures are, as one object.")
@version_option
def carbon_sacct(
    config_path: Path | None, *, fields: str | None, helpformat: bool, by: str | None, **given: object
) -> None:
    """Show runs with energy and emissions, and what waiting for clean hours saved.

    Each attempt of a job is a run of its own; one that we stopped and its restart both count. Without -u or
    -a it shows your own runs. Times are local, and given as to sacct (2026-11-22, 18:00, now-7days).

    \b
    Examples:
      carbon-sacct                                   your runs of today
      carbon-sacct -S now-30days --by month          what a month emitted and saved
      carbon-sacct -a -S 2026-01-01 --by account -P  every group's year, for a spreadsheet
      carbon-sacct -j 42 --json                      one job, with method and source of each number
    """
    from carbonslurm.cli import sacct_output as output

    if by and fields:
        raise click.UsageError("--by has columns of its own: leave out -o")
    if helpformat:
        click.echo(output.field_help())
        return
    chosen = output.chosen_fields(fields)
    config = load_config(config_path)
    wanted, plain = _filter(given, config.cluster), bool(given["parsable2"])
    if by and not given["as_json"] and not _names_tasks(given["ids"]):
        groups, everything = _sums(config, wanted, by)
        header, cells, right = output.table_of_totals(groups, everything, by, plain=plain)
        click.echo(_laid_out([] if given["noheader"] else header, cells, right, parsable=plain))
        return
    rows = _of_tasks(_rows(config, wanted), given["ids"])
    if given["as_json"]:
        click.echo(output.as_json(rows, by))
        return
    header, cells, right = output.grouped(rows, by, plain=plain) if by else output.listed(rows, chosen)
    header = [] if given["noheader"] else header
    click.echo(_laid_out(header, cells, right, parsable=plain))
    if not by and not plain and rows:
        click.echo(output.summary(rows), err=True)


def _rows(config: Config, wanted: RunFilter) -> Sequence[RunRow]:
    from carbonslurm import wiring

    book = wiring.reading(config)
    try:
        rows: Sequence[RunRow] = book.runs(wanted)
    finally:
        book.close()
    return rows


def _sums(config: Config, wanted: RunFilter, by: str) -> tuple[Mapping[str, Totals], Totals]:
    from carbonslurm import wiring
    from carbonslurm.app.report import summed

    with wiring.reading(config) as book:
        return summed(book, wanted, by)


def _names_tasks(ids: object) -> bool:
    """Tell whether single tasks of arrays were asked for, which the ledger does not sum."""
    wanted = cast("tuple[tuple[int, int | None], ...]", ids or ())
    return any(task is not None for _, task in wanted)


def _of_tasks(rows: Sequence[RunRow], ids: object) -> Sequence[RunRow]:
    """Leave out other tasks of an array where single ones were asked for."""
    wanted = cast("tuple[tuple[int, int | None], ...]", ids or ())
    if all(task is None for _, task in wanted):
        return rows
    return [
        row
        for row in rows
        if any(
            number in (row.run.key.job_id, row.run.array_job_id) and task in (None, row.run.array_task)
            for number, task in wanted
        )
    ]


def _filter(given: dict[str, object], cluster: str) -> RunFilter:
    from carbonslurm import wiring
    from carbonslurm.core.interval import Interval
    from carbonslurm.errors import UsageError
    from carbonslurm.formats.times import read_moment
    from carbonslurm.ports import RunFilter

    now = wiring.now()
    ids = cast("tuple[tuple[int, int | None], ...]", given["ids"] or ())
    window = None
    if not ids or given["starttime"] or given["endtime"]:
        start = read_moment(str(given["starttime"] or "today"), now)
        end = read_moment(str(given["endtime"] or "now"), now)
        if end < start and not given["endtime"]:
            raise UsageError(f"--starttime {given['starttime']} lies ahead: nothing has run yet")
        if end < start:
            raise UsageError(f"--endtime {given['endtime']} lies before --starttime {given['starttime']}")
        window = Interval(start, end)
    numbers = tuple(number for number, _ in ids)
    as_of = read_moment(str(given["as_of"]), now) if given["as_of"] else None
    return RunFilter(window, _users(given), _words(given["accounts"]), numbers, cluster, as_of)


def _users(given: dict[str, object]) -> tuple[str, ...]:
    """sacct's habit: your own unless you ask for others, everybody's for root."""
    import getpass
    import os

    if given["users"]:
        return _words(given["users"])
    return () if given["allusers"] or given["ids"] or os.geteuid() == 0 else (getpass.getuser(),)


def _words(text: object) -> tuple[str, ...]:
    return tuple(str(text).split(",")) if text else ()


def _laid_out(header: list[str], cells: list[list[str]], right: frozenset[int], *, parsable: bool) -> str:
    from carbonslurm.formats.terminal import columns, divided

    return divided(header, cells) if parsable else columns(header, cells, right)


def main() -> None:
    """Run carbon-sacct."""
    run(carbon_sacct, name="carbon-sacct")
