"""What a drawing is drawn on: the terminal, how wide it is and what it can show."""

import os
import shutil
import sys
from dataclasses import dataclass

ROWS = 16


@dataclass(frozen=True, slots=True)
class Paper:
    """Where it is drawn: columns and rows of characters, and what may stand in them."""

    width: int
    height: int
    unicode: bool
    colour: bool


def paper_here() -> Paper:
    """Return what standard output is; 80 columns of ASCII where it is no terminal."""
    if not sys.stdout.isatty():
        return Paper(80, ROWS, unicode=False, colour=False)
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    colour = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return Paper(shutil.get_terminal_size((80, 24)).columns, ROWS, unicode, colour)
