"""The options that simulate and replay share: which policies, what they know, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path, readable=False)
Option = Callable[[Callable[..., Any]], Callable[..., Any]]

policies_option: Option = click.option(
    "--policy", "names", default="all", show_default=True, metavar="NAME,...", help="Which policies."
)
parameters_option: Option = click.option(
    "--param", "words", multiple=True, metavar="[POLICY.]NAME=VALUE", help="Of policies; docs/simulate.md."
)
anchor_option: Option = click.option("--anchor", metavar="TIME", help="When a trace of offsets begins, UTC.")
json_option: Option = click.option("--json", "as_json", is_flag=True, help="A list of objects.")
plot_option: Option = click.option(
    "--plot",
    "picture",
    type=FILE,
    metavar="FILE",
    help="Draw load, intensity, waits and savings (.png, .svg).",
)


def length_option(default: str) -> Option:
    """Return the option for what policies know of lengths."""
    return click.option(
        "--length",
        type=click.Choice(["true", "limit", "class-mean", "learned"]),
        default=default,
        show_default=True,
        help="What policies know of lengths.",
    )


def unit_option(meaning: str) -> Option:
    """Return the option for what a unit is.

    Args:
        meaning: what counts in it, for --help.
    """
    return click.option(
        "--unit",
        type=click.Choice(["cpus", "gpus", "nodes"]),
        default="cpus",
        show_default=True,
        help=meaning,
    )
