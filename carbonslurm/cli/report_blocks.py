"""What a report's pages are made of, before anybody knows whether they become HTML or PDF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Heading:
    """A line above what follows."""

    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph; ``small`` for what is said beside the point."""

    text: str
    small: bool = False


@dataclass(frozen=True, slots=True)
class Points:
    """Sentences one below the other."""

    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """The few numbers that people look for: value, what it is, what to know of it."""

    figures: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture.

    Attributes:
        text: what can be seen in it, for who cannot.
        draw: draws into matplotlib's axes.
        height: inches, at the width of a page.
    """

    text: str
    draw: Callable[[Any], None]
    height: float = 2.6


@dataclass(frozen=True, slots=True)
class Rows:
    """A table; the columns in ``left`` stand to the left, and the last row may be a sum."""

    header: Sequence[str]
    cells: Sequence[Sequence[str]]
    left: frozenset[int] = frozenset({0})
    sum_row: bool = False


Block = Heading | Words | Points | KeyFigures | Chart | Rows


@dataclass(frozen=True, slots=True)
class Report:
    """A title, what it is about, blocks, and a line at the foot of each page."""

    title: str
    subtitle: str
    blocks: Sequence[Block]
    foot: str
