"""What a drawing is drawn on: the terminal, how wide it is and what it can show."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

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
    unicode = _is_utf8(sys.stdout.encoding or "") and _is_utf8(_locale())
    colour = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return Paper(shutil.get_terminal_size((80, 24)).columns, ROWS, unicode, colour)


def _locale() -> str:
    """Return the locale that characters are shown by.

    Neither the stream's encoding nor our own variables say it: where the locale is C or is not installed,
    Python writes UTF-8 all the same and sets LC_CTYPE (PEP 538), which is nothing of what the terminal can
    show. What the shell gave us does.
    """
    given = _environment()
    return next((given[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if given.get(name)), "C")


def _environment() -> dict[str, str]:
    """Return the environment as this process was started with; as it is now where /proc does not tell."""
    try:
        words = os.fsdecode(Path("/proc/self/environ").read_bytes()).split("\0")
    except OSError:
        return dict(os.environ)
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _is_utf8(name: str) -> bool:
    """Tell whether an encoding, or a locale with its encoding behind a point, is UTF-8."""
    encoding = name.partition("@")[0].rpartition(".")[2]
    return encoding.lower().replace("-", "") == "utf8"
