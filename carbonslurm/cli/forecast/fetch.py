"""``carbonslurm forecast fetch``: the sources are asked now, or for what they measured in the past."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carbonslurm.cli.forecast.asking import config_option, ledger_config, meant_zones, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta

    from carbonslurm.app.backfill import Progress
    from carbonslurm.app.fetch import FetchResult
    from carbonslurm.app.filling import Filled, Filling
    from carbonslurm.core.forecast import Issue
    from carbonslurm.core.interval import Interval

NOTHING, SOME = 69, 1  # exit codes: nothing could be had, or not of all zones


@click.command(short_help="Ask the sources now, or for the past.")
@config_option
@click.argument("zones", nargs=-1, metavar="[ZONE]...")
@click.option("--since", metavar="TIME", help="Fetch measured values from then on, where missing.")
def fetch(config_path: Path | None, zones: tuple[str, ...], since: str | None) -> int:
    """Ask the sources now, or fetch what they measured in the past, into the ledger.

    As the account that the daemon runs as. Providers are asked no more often than they allow: one that is to
    be left alone is not asked, and that is said. With --since only what is missing is asked for, in pieces,
    the newest first; cut off, it goes on where it was when it is called again. Where no source gives a
    forecast ours is made, as the daemon does. The daemon may run meanwhile.

    Exit code 0 where each zone has what its sources could give, 1 where not all have, 69 where none has.

    \b
    Examples:
      carbonslurm forecast fetch
      carbonslurm forecast fetch --since now-60days GB
    """
    from carbonslurm import wiring
    from carbonslurm.core.interval import Interval
    from carbonslurm.errors import UsageError
    from carbonslurm.formats.times import read_moment

    config, now = ledger_config(config_path, "fetch"), wiring.now()
    meant = meant_zones(config, zones, every=True)
    if since is None:
        with wiring.ledger(config) as book:
            chain = wiring.chain(config, book, meant)
            results, own = chain.run(), wiring.forecasting(config, book).run()
        answering = {key.zone for key, asked in chain.asking.known.items() if not asked.failures}
        return _say_results([*results, *map(_as_result, own)], meant, answering)
    start = read_moment(since, now)
    if start >= now:
        raise UsageError(f"--since {since}: lies ahead: nothing was measured yet")
    with wiring.ledger(config) as book:
        code = _fill(wiring.filling(config, book, meant), Interval(start, now), meant)
        for issue in wiring.forecasting(config, book).run():
            click.echo(f"{issue.series.zone}: forecast of {issue.series.source} made from it")
    return code


# --- the newest


def _as_result(own: Issue) -> FetchResult:
    """Return our own forecast as what came of a source."""
    from carbonslurm.app.fetch import FetchResult

    return FetchResult(own.series.source, own.series.zone, forecast=own)


def _say_results(results: Sequence[FetchResult], zones: Sequence[str], answering: set[str]) -> int:
    """Print a line for each zone; return the exit code.

    Args:
        results: of all sources of these zones.
        zones: in the order in which they are told.
        answering: those of which some source answered the last time that it was asked.
    """
    from carbonslurm.formats.times import local_text

    good = 0
    for zone in zones:
        its = [result for result in results if result.zone == zone]
        had = [
            f"forecast of {it.source} to {local_text(it.forecast.series.horizon)}"
            for it in its
            if it.forecast
        ]
        had += [f"measured by {it.source} to {local_text(it.actual.horizon)}" for it in its if it.actual]
        rests = [f"{it.source} not asked: {it.unasked}" for it in its if it.unasked]
        click.echo(f"{zone}: {'; '.join(dict.fromkeys(had or rests)) or 'nothing new'}")
        for it in its:
            if it.failure is not None:
                say(f"{zone}: {it.source}: {it.failure}")
        good += bool(had) or (bool(rests) and zone in answering)
    return 0 if good == len(zones) else SOME if good else NOTHING


# --- history


def _fill(filling: Filling, window: Interval, zones: Sequence[str]) -> int:
    """Fetch what is missing of a window; print a line for each zone and provider; return the exit code."""
    from datetime import timedelta

    done: list[Filled] = []
    for key, source in filling.histories():
        total = filling.missing(key, window)
        with _bar(f"{source.zone} {source.name}", total) as step_on:
            steps = []
            for step in filling.walk(key, source, window):
                steps.append(step)
                step_on(step, total)
        done.append(filling.result(key, window, steps))
        click.echo(_line(done[-1], window))
    for zone in zones:
        if zone not in {filled.zone for filled in done}:
            say(f"{zone}: no source of this zone has a history")
    good = {it.zone for it in done if it.kept or it.missing < window.length - timedelta(hours=1)}
    return 0 if good == set(zones) else SOME if good else NOTHING


def _line(filled: Filled, window: Interval) -> str:
    from carbonslurm.core.tag import format_duration
    from carbonslurm.formats.times import local_text

    known = f"{100 * (1 - filled.missing / window.length):.0f} % known since {local_text(window.start)}"
    line = f"{filled.zone}: {filled.source}: {filled.kept} values came, {known}"
    if filled.trouble is None:
        return line
    return f"{line}; {format_duration(filled.missing)} missing: {filled.trouble}"


@contextmanager
def _bar(label: str, total: timedelta) -> Iterator[Callable[[Progress, timedelta], None]]:
    """Show a progress bar on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty() or not total:
        yield lambda _step, _total: None
        return
    seconds = int(total.total_seconds())
    with click.progressbar(length=seconds, label=label, file=sys.stderr, item_show_func=_said) as bar:

        def step_on(step: Progress, whole: timedelta) -> None:
            done = int((whole - step.left).total_seconds())
            bar.update(max(done - bar.pos, 0) if step.wait is None else 0, step)

        yield step_on


def _said(step: Progress | None) -> str:
    if step is None:
        return ""
    return f"waits: {step.wait}" if step.wait else f"{step.piece.start:%Y-%m-%d}"
