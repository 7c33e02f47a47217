"""How carbon-sacct shows amounts and times, by its own words and by sacct's variable."""

import os
from collections.abc import Callable, Mapping

from carbonslurm.cli.sacct_output import View
from carbonslurm.errors import UsageError
from carbonslurm.formats.terminal import PREFIXES

TIME_VARIABLE = "SLURM_TIME_FORMAT"


def view_of(given: Mapping[str, object], zone_of: Callable[[str], str]) -> View:
    """Return how columns are shown.

    Args:
        given: the command's words.
        zone_of: the grid zone of a partition.

    Raises:
        UsageError: there is no such unit.
    """
    return View(
        zone_of=zone_of,
        prefix="" if given["noconvert"] else _prefix(given["units"]),
        time_format=_time_format(os.environ.get(TIME_VARIABLE)),
    )


def _time_format(word: str | None) -> str | None:
    """Read sacct's variable: ``standard``, ``relative`` (which is no form of its own here), or strftime's."""
    return word if word and "%" in word else None


def _prefix(units: object) -> str | None:
    if units is None:
        return None
    word = str(units)
    if not word or word.upper() not in PREFIXES:
        raise UsageError(f'--units: expected one of K, M, G, T and P, got "{word[:40]}"')
    return word.upper()
