"""carbon-sacct: the ledger's runs, as people know them from sacct, with energy and emissions."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carbonslurm.cli.program import HELP, config_option, load_config, run, say, version_option
from carbonslurm.cli.sacct_groups import GROUP_NAMES, GroupNames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from carbonslurm.app.report import Books
    from carbonslurm.cli.sacct_chosen import Column
    from carbonslurm.cli.sacct_filter import Wanted
    from carbonslurm.cli.sacct_layout import Layout
    from carbonslurm.cli.sacct_output import View
    from carbonslurm.config import Config
    from carbonslurm.core.going import SoFar
    from carbonslurm.core.job import RunKey
    from carbonslurm.ledger.accounts import Accounts
    from carbonslurm.ports import RunFilter, RunRow

FORMAT_VARIABLE = "CARBON_SACCT_FORMAT"


@click.command(context_settings=HELP)
@config_option
@click.option("-S", "--starttime", metavar="TIME", help="Runs in any state after this.  [default: today]")
@click.option("-E", "--endtime", metavar="TIME", help="Runs in any state before this.  [default: now]")
@click.option(
    "-u", "--user", "--uid", "users", metavar="USER[,USER]", help="Only runs of these users or uids."
)
@click.option("-a", "--allusers", is_flag=True, help="Runs of all users; root's default.")
@click.option("-A", "--accounts", metavar="ACCT[,ACCT]", help="Only runs of these accounts.")
@click.option("-r", "--partition", "partitions", metavar="PART[,PART]", help="Only runs in these partitions.")
@click.option("-q", "--qos", metavar="QOS[,QOS]", help="Only runs of these QOS.")
@click.option(
    "-s", "--state", "states", metavar="STATE[,STATE]", help="Only runs in these states (R, CD, TO)."
)
@click.option("-j", "--jobs", "ids", metavar="ID[,ID]", help="Only these jobs (12, 13_4, 20+1, 12.0).")
@click.option(
    "--as-of", metavar="TIME", help="The figures of that day, before later revisions.  [default: now]"
)
@click.option("--name", "names", metavar="NAME[,NAME]", help="Only jobs that their owners called so.")
@click.option("-M", "--clusters", metavar="NAME[,NAME]", help="Runs of these clusters, or of all.")
@click.option("-L", "--allclusters", is_flag=True, help="Runs of all clusters that the ledger knows.")
@click.option("-x", "--associations", metavar="ID[,ID]", help="Refused: the ledger has no association ids.")
@click.option("-X", "--allocations", is_flag=True, help="Whole jobs, without their steps.")
@click.option("-D", "--duplicates", is_flag=True, help="Every attempt of a requeued job: always so here.")
@click.option(
    "-o", "--format", "fields", metavar="FIELD[%WIDTH][,FIELD]", help="Which columns; see --helpformat."
)
@click.option("-b", "--brief", is_flag=True, help="JobID, State and ExitCode.")
@click.option("-e", "--helpformat", is_flag=True, help="List the columns, and end.")
@click.option("--by", type=GroupNames(), metavar="NAME[,NAME]", help=f"Totals by {', '.join(GROUP_NAMES)}.")
@click.option("-P", "--parsable2", is_flag=True, help="Columns divided by |, for programs.")
@click.option("-p", "--parsable", is_flag=True, help="The same with a | at the end of each line.")
@click.option(
    "--delimiter", default="|", metavar="TEXT", help="What divides columns of -P and -p.  [default: |]"
)
@click.option("-n", "--noheader", is_flag=True, help="No line of headings.")
@click.option(
    "--units", metavar="[KMGTP]", help="All amounts in one unit: K for kg and kWh, M for t and MWh."
)
@click.option("--noconvert", is_flag=True, help="All amounts in g and Wh.")
@click.option("--csv", "as_csv", is_flag=True, help="Runs or totals as CSV, amounts as bare numbers.")
@click.option("--json", "as_json", is_flag=True, help="Runs, totals and what the figures are, as one object.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a report with charts.")
@click.option("--pdf", type=click.Path(path_type=Path), metavar="FILE", help="The same as pages of A4.")
@click.option("--budget", is_flag=True, help="How the budgets stand this month, or in that of -S.")
@click.option("--mlflow", metavar="URL", help="Write the figures of -j to this MLflow tracking server.")
@click.option("--mlflow-run", metavar="RUN_ID", help="Write their totals to this run of it instead.")
@version_option
def carbon_sacct(config_path: Path | None, *, helpformat: bool, by: tuple[str, ...], **given: object) -> None:
    """Show runs with energy and emissions, and what waiting for clean hours saved.

    Each attempt of a job is a run of its own; one that we stopped and its restart both count. Without -u or
    -a it shows your own runs. Times are local, and given as to sacct (2026-11-22, 18:00, now-7days); 2026-11
    is the first instant of a month. Totals go by the month of the start.

    \b
    Examples:
      carbon-sacct                                   your runs of today
      carbon-sacct -S now-30days --by month          what a month emitted and saved
      carbon-sacct -a -S 2026-01 --by account,month --csv   every group's year, for a spreadsheet
      carbon-sacct -s F,TO -S now-7days -E now       what failed, and what that cost
      carbon-sacct -j 42 --json                      one job, with method and source of each number
      carbon-sacct -A maths -S 2026-01 --pdf maths.pdf   what a group puts into its annual report
    """
    from carbonslurm.cli import sacct_output as output
    from carbonslurm.cli.sacct_layout import Layout
    from carbonslurm.cli.sacct_together import check
    from carbonslurm.cli.sacct_view import view_of

    if helpformat:
        click.echo(output.field_help())
        return
    check(given, by)
    if given["html"] or given["pdf"]:
        _write_report(config_path, given)
        return
    layout = Layout(
        divided=bool(given["parsable"] or given["parsable2"]),
        delimiter=str(given["delimiter"]),
        end=str(given["delimiter"]) if given["parsable"] else "",
        csv=bool(given["as_csv"]),
        header=not given["noheader"],
    )
    chosen = _chosen(given, layout)
    config = load_config(config_path)
    wanted = _wanted({**given, "by": by}, config)
    view = view_of(given, _zone_of(config))
    with _books(config) as (book, books):
        if given["budget"]:
            _print_budgets(config, book, wanted, given, layout, view)
        elif by:
            _print_groups(config, book, books, wanted, by, given, layout, view)
        else:
            _print_runs(config, book, wanted, chosen, given, layout, view)


def _write_report(config_path: Path | None, given: dict[str, object]) -> None:
    from carbonslurm import wiring
    from carbonslurm.app.report import Books
    from carbonslurm.cli import sacct_report

    files = sacct_report.checked(given)
    config = load_config(config_path)
    wanted = sacct_report.read_window(given, config.cluster, wiring.now())
    with wiring.reading(config) as book:
        books = Books(book, _zone_of(config))
        sacct_report.write(files, sacct_report.state(config, book, books, wanted, wiring.now()))


def _chosen(given: dict[str, object], layout: Layout) -> list[Column]:
    from carbonslurm.cli import sacct_output as output
    from carbonslurm.cli.sacct_chosen import chosen_fields

    usual = output.FOR_FILES if layout.csv else output.DEFAULT
    text = output.BRIEF if given["brief"] else given["fields"] or os.environ.get(FORMAT_VARIABLE) or usual
    return chosen_fields(str(text), output.FIELDS)


def _wanted(given: dict[str, object], config: Config) -> Wanted:
    from carbonslurm import wiring
    from carbonslurm.cli.sacct_filter import read_filter
    from carbonslurm.cli.sacct_steps import refuse_steps

    wanted = read_filter(given, config.cluster, wiring.now())
    refuse_steps(wanted, given)
    if wanted.hint:
        say(wanted.hint)
    return wanted


def _zone_of(config: Config) -> Callable[[str], str]:
    return lambda partition: config.zones.get(partition, config.zone)


@contextmanager
def _books(config: Config) -> Iterator[tuple[Accounts, Books]]:
    from carbonslurm import wiring
    from carbonslurm.app.report import Books

    with wiring.accounts(config) as book:
        yield book, Books(book, _zone_of(config))


def _so_far(config: Config, wanted: RunFilter, rows: Sequence[RunRow]) -> Mapping[RunKey, SoFar]:
    """Return what those among some runs that still run have done; none had, with the figures of a past day.

    Where none runs, nothing is loaded for it.
    """
    from carbonslurm import wiring

    going = [row.run for row in rows if row.run.started and not row.run.ended]
    if not going or wanted.as_of is not None:
        return {}
    with wiring.reading(config) as book:
        return wiring.looking(config, book).at(going)


def _print_runs(
    config: Config,
    book: Accounts,
    wanted: Wanted,
    chosen: Sequence[Column],
    given: dict[str, object],
    layout: Layout,
    view: View,
) -> None:
    from carbonslurm.app.report import sums_of, total
    from carbonslurm.cli import sacct_steps as steps
    from carbonslurm.cli import sacct_totals as totals

    rows = wanted.of(book.runs(wanted.runs))
    if given["mlflow"]:
        from carbonslurm.cli import sacct_mlflow

        sacct_mlflow.log(rows, given, view)
        return
    view = replace(view, so_far=_so_far(config, wanted.runs, rows))
    view = steps.with_steps(view, book, wanted, rows, given)
    if given["as_json"]:
        click.echo(totals.as_json(total(sums_of(rows)), view, rows=rows))
        return
    _echo(layout.write(steps.listed(rows, chosen, view)))
    whole = [row for row in rows if row.run.key not in view.alone]
    if whole and not (layout.divided or layout.csv):
        going = {key: it for key, it in view.so_far.items() if key not in view.alone}
        click.echo(totals.summary(whole, going), err=True)


def _print_groups(
    config: Config,
    book: Accounts,
    books: Books,
    wanted: Wanted,
    by: tuple[str, ...],
    given: dict[str, object],
    layout: Layout,
    view: View,
) -> None:
    from carbonslurm.cli import sacct_totals as totals
    from carbonslurm.cli.sacct_beside import beside_lines, running_lines

    if wanted.by_tasks:
        raise click.UsageError("--by sums up whole jobs: ask for 13, not for 13_4")
    groups, whole = books.with_whole(wanted.runs, by)
    going = book.runs(replace(wanted.runs, running=True))
    view = replace(view, so_far=_so_far(config, wanted.runs, going))
    sums = books.reader.sums_beside(wanted.runs)
    if given["as_json"]:
        click.echo(totals.as_json(whole, view, groups=groups, names=by, beside=sums))
        return
    bare = layout.divided or layout.csv
    _echo(layout.write(totals.grouped(groups, by, whole, bare=bare, prefix=view.prefix)))
    if not bare:
        _echo(
            "\n".join([*beside_lines(sums), *running_lines(view.so_far), *totals.likened(whole)]),
            err=True,
        )


def _print_budgets(
    config: Config, book: Accounts, wanted: Wanted, given: dict[str, object], layout: Layout, view: View
) -> None:
    import json

    from carbonslurm import wiring
    from carbonslurm.app.spending import last_of_month
    from carbonslurm.cli import sacct_budget

    now = wiring.now()
    at = now if wanted.runs.window is None or not given["starttime"] else wanted.runs.window.start
    spending = wiring.spending(config, book)
    found = sacct_budget.chosen(spending.standings(last_of_month(at, now)), wanted.runs)
    if given["as_json"]:
        click.echo(json.dumps({"budgets": sacct_budget.objects(found)}, indent=1))
        return
    bare = layout.divided or layout.csv
    _echo(layout.write(sacct_budget.table(found, bare=bare, prefix=view.prefix)))
    if not config.budgets:
        say("no budgets are configured")


def _echo(text: str, *, err: bool = False) -> None:
    if text:
        click.echo(text, err=err)


def main() -> None:
    """Run carbon-sacct."""
    # What is imported is no garbage, and to look for some takes a tenth of the start of what soon ends.
    gc.disable()
    run(carbon_sacct, name="carbon-sacct")
