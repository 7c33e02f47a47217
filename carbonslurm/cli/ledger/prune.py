"""``carbonslurm ledger prune``: let go of what no figure needs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carbonslurm.cli.ledger.place import path_option, place_of
from carbonslurm.cli.program import config_option

if TYPE_CHECKING:
    from carbonslurm.ledger.pruning import Pruned


LONGEST = timedelta(days=36_500)


@click.command(short_help="Let go of old forecasts, cycles and observed actions.")
@config_option
@path_option
@click.option("--forecasts", default="180d", show_default=True, metavar="AGE", help="Keep younger ones.")
@click.option("--actions", default="180d", show_default=True, metavar="AGE", help="Keep younger ones.")
@click.option("--cycles", default="30d", show_default=True, metavar="AGE", help="Keep younger ones.")
@click.option("--yes", is_flag=True, help="Do it. Without this it only says how many rows would go.")
@click.option("--json", "as_json", is_flag=True, help="The counts as an object.")
def prune(
    config_path: Path | None,
    path: Path | None,
    *,
    forecasts: str,
    actions: str,
    cycles: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Let go of what is old and what no figure needs; without --yes only say how much that is.

    Forecasts go, but where nobody measured an hour the forecast that counts for it stays. Cycles go behind
    which no action stands, and actions that were only observed. Runs, figures, measured intensities and what
    was done to a job never go. The daemon may run. A file of SQLite's does not shrink: its room is used
    again.

    \b
    Examples:
      carbonslurm ledger prune
      carbonslurm ledger prune --forecasts 400d --yes
    """
    from carbonslurm import wiring
    from carbonslurm.ledger.pruning import Keep
    from carbonslurm.ledger.reading import Reading
    from carbonslurm.ledger.writing import Ledger

    now = wiring.now()
    keep = Keep(*(now - _age(word, text) for word, text in _given(forecasts, actions, cycles)))
    if yes:
        with Ledger.open(place_of(config_path, path)) as book:
            gone = book.prune(keep)
    else:
        with Reading.open(place_of(config_path, path, to_read=True)) as reading:
            gone = reading.prunable(keep)
    click.echo(_json(gone, done=yes) if as_json else _words(gone, done=yes))


def _given(forecasts: str, actions: str, cycles: str) -> tuple[tuple[str, str], ...]:
    return ("--forecasts", forecasts), ("--actions", actions), ("--cycles", cycles)


def _age(option: str, text: str) -> timedelta:
    from carbonslurm.core.tag import parse_duration
    from carbonslurm.errors import UsageError

    try:
        return parse_duration(text, LONGEST)
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from error


def _words(gone: Pruned, *, done: bool) -> str:
    verb = "went" if done else "would go: say --yes"
    return (
        f"{gone.issues} forecasts ({gone.points} points), {gone.actions} observed actions "
        f"({gone.outcomes} outcomes), {gone.cycles} cycles {verb}; {gone.needed_issues} old forecasts stay, "
        "since figures may rest on them"
    )


def _json(gone: Pruned, *, done: bool) -> str:
    import json
    from dataclasses import asdict

    return json.dumps({"done": done, **asdict(gone)})
