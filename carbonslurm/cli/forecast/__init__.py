"""``carbonslurm forecast``: what is known of the grid, what is expected, and how well that was foreseen.

One module a command. ``asking`` has what they share, ``drawing`` and ``heat`` draw in a terminal.
"""

import click

from carbonslurm.cli.forecast.best import best
from carbonslurm.cli.forecast.compare import compare
from carbonslurm.cli.forecast.fetch import fetch
from carbonslurm.cli.forecast.mix import mix
from carbonslurm.cli.forecast.patterns import patterns
from carbonslurm.cli.forecast.score import score
from carbonslurm.cli.forecast.show import show
from carbonslurm.cli.forecast.sources import sources
from carbonslurm.cli.forecast.zones import zones


@click.group(short_help="Carbon intensity: measured, expected, scored.")
def forecast() -> None:
    """Look at carbon intensity: measured, expected, and how well it was foreseen.

    \b
    Examples:
      carbonslurm forecast show GB                      the last day and the next two
      carbonslurm forecast best --duration 8h           when, and where, to run
      carbonslurm forecast compare DE FR GB             zones side by side
      carbonslurm forecast fetch --since now-60days     fill the ledger with what was
    """


for command in (show, fetch, score, best, compare, patterns, sources, zones, mix):
    forecast.add_command(command)
