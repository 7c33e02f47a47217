"""A report as PDF: pages of A4, set by matplotlib, which draws the charts anyway.

Blocks are set one below the other; one that has no room left on a page begins the next, a heading together
with what follows it; a short table stays whole, a long one goes on under its header. Widths of words are
those of the font itself.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from carbonslurm.cli.report_blocks import Chart, Heading, KeyFigures, Points, Rows, Words
from carbonslurm.cli.report_charts import quiet
from carbonslurm.cli.report_sheets import (
    BLUE,
    BODY,
    BOTTOM,
    DARK,
    GREY,
    HEAD,
    LINE,
    MARGIN,
    PAGE,
    PALE,
    POINTS_AN_INCH,
    SIDE,
    SMALL,
    SMALLEST,
    TITLE,
    TOP,
    WIDTH,
    Sheets,
)
from carbonslurm.formats.terminal import cleaned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from carbonslurm.cli.report_blocks import Block, Report


KEPT_WHOLE = 3.2  # inches: a table of fewer, a year by months among them, is not cut by the end of a page


class Pages(Sheets):
    """Sets the blocks."""

    def text(
        self, text: str, size: float, colour: str = DARK, *, weight: str = "normal", indent: float = 0.0
    ) -> None:
        """Set a paragraph."""
        high = size * LINE / POINTS_AN_INCH
        for line in self.lines(text, size, WIDTH - indent, weight):
            self.need(high)
            self.y += high
            self.put(SIDE + indent, self.y - 0.28 * high, line, size, colour, weight=weight)

    def heading(self, text: str) -> None:
        """Set a heading, with its rule."""
        self.y += 0.24 if self.y > TOP else 0.0
        self.text(text, HEAD, weight="bold")
        self.box(SIDE, self.y + 0.02, WIDTH, 0.018, BLUE)
        self.y += 0.1

    def points(self, texts: Sequence[str]) -> None:
        """Set sentences, each with its dot."""
        for text in texts:
            lines = self.lines(text, BODY, WIDTH - 0.18)
            self.need(len(lines) * BODY * LINE / POINTS_AN_INCH)
            self.put(SIDE, self.y + 0.72 * BODY * LINE / POINTS_AN_INCH, "\u2022", BODY, BLUE)
            self.text(text, BODY, indent=0.18)
            self.y += 0.05

    def key_figures(self, figures: Sequence[tuple[str, str, str]]) -> None:
        """Set the few numbers that people look for side by side."""
        gap = 0.12
        width = (WIDTH - gap * (len(figures) - 1)) / len(figures)
        notes = [self.lines(note, SMALL - 0.5, width - 0.2) for _, _, note in figures]
        high = 0.62 + max(map(len, notes)) * SMALL * LINE / POINTS_AN_INCH
        self.need(high + 0.2)
        self.y += 0.1
        for number, (value, label, _) in enumerate(figures):
            x = SIDE + number * (width + gap)
            self.box(x, self.y, width, high, PALE)
            self.box(x, self.y, width, 0.035, BLUE)
            size = 13.0
            while self.width_of(value, size, "bold") > width - 0.2 and size > 7:
                size -= 0.5
            self.put(x + 0.1, self.y + 0.29, value, size, DARK, weight="bold")
            self.put(x + 0.1, self.y + 0.47, label, SMALL + 0.5, DARK, weight="bold")
            for place, line in enumerate(notes[number], 1):
                step = place * (SMALL - 0.5) * LINE / POINTS_AN_INCH
                self.put(x + 0.1, self.y + 0.47 + step, line, SMALL - 0.5, GREY)
        self.y += high + 0.12

    def chart(self, chart: Chart) -> None:
        """Draw a chart across the page."""
        self.need(chart.height + 0.1)
        self.y += 0.06
        figure = self.figures[-1]
        axes = figure.add_axes((0.2, 0.4, 0.6, chart.height / PAGE[1]))
        chart.draw(axes)
        self._fit(axes, chart.height)
        self.y += chart.height + 0.06

    def _fit(self, axes: Any, height: float) -> None:
        """Place axes so that they and all their words fill the width of the text and a height, in inches."""
        from matplotlib.transforms import Bbox

        figure = self.figures[-1]
        renderer, dots = figure.canvas.get_renderer(), float(figure.dpi)
        whole = Bbox.union([it.get_tightbbox(renderer) for it in figure.axes if _is_same_place(it, axes)])
        inner = axes.get_window_extent(renderer)
        left, right = inner.x0 - whole.x0, whole.x1 - inner.x1
        below, above = inner.y0 - whole.y0, whole.y1 - inner.y1
        bottom = (PAGE[1] - self.y - height) * dots + below
        box = (SIDE * dots + left, bottom, WIDTH * dots - left - right, height * dots - above - below)
        size = (PAGE[0] * dots, PAGE[1] * dots) * 2
        axes.set_position([length / of for length, of in zip(box, size, strict=True)])

    def rows(self, table: Rows) -> None:
        """Set a table; its header again on each page that it reaches."""
        size = SMALL
        while size > SMALLEST and sum(self._natural(table, size)) + MARGIN * len(table.header) > WIDTH:
            size -= 0.25
        high = size * 1.75 / POINTS_AN_INCH
        natural = self._natural(table, size)
        widths = [width + (WIDTH - sum(natural)) / len(natural) for width in natural]
        whole = (len(table.cells) + 1) * high
        self.need(whole if whole < KEPT_WHOLE else 3 * high)
        self._row(table, list(table.header), widths, size, high, bold=True)
        for number, cells in enumerate(table.cells):
            if self.y + high > PAGE[1] - BOTTOM:
                self.turn()
                self._row(table, list(table.header), widths, size, high, bold=True)
            self._row(
                table, list(cells), widths, size, high, bold=table.sum_row and number == len(table.cells) - 1
            )
        self.y += 0.1

    def _natural(self, table: Rows, size: float) -> list[float]:
        """Return how wide the columns are by themselves, in inches."""
        return [
            max(
                self.width_of(cleaned(row[place]), size, "bold") for row in chain([table.header], table.cells)
            )
            for place in range(len(table.header))
        ]

    def _row(
        self, table: Rows, cells: list[str], widths: list[float], size: float, high: float, *, bold: bool
    ) -> None:
        x = SIDE
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            to_left = place in table.left
            at = x if to_left else x + width
            colour = GREY if cells == list(table.header) else DARK
            self.put(
                at,
                self.y + 0.68 * high,
                cleaned(cell),
                size,
                colour,
                weight="bold" if bold else "normal",
                align="left" if to_left else "right",
            )
            x += width
        self.y += high
        self.box(SIDE, self.y - 0.01, WIDTH, 0.006, "#cccccc")


def write(report: Report, path: Path) -> None:
    """Write the file; the same figures make the same bytes.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import PdfPages

    with quiet(), rc_context({"text.parse_math": False, "font.size": 8, "pdf.fonttype": 42}):
        pages = _set(report)
        about = {"Title": cleaned(report.title), "Creator": "carbonslurm", "CreationDate": None}
        with PdfPages(path, metadata=about) as file:
            for figure in pages.figures:
                file.savefig(figure)


def _set(report: Report) -> Pages:
    pages = Pages(cleaned(report.foot))
    pages.text(report.title, TITLE, weight="bold")
    pages.text(report.subtitle, BODY, GREY)
    pages.y += 0.06
    blocks = list(report.blocks)
    for number, block in enumerate(blocks):
        if isinstance(block, Heading):
            pages.need(0.6 + sum(_least(after) for after in _kept_with(blocks, number)))
        _set_block(pages, block)
    return pages


def _set_block(pages: Pages, block: Block) -> None:
    match block:
        case Heading(text):
            pages.heading(text)
        case Words(text, small):
            pages.text(text, SMALL if small else BODY, GREY if small else DARK)
            pages.y += 0.05
        case Points(texts):
            pages.points(texts)
        case KeyFigures(figures):
            pages.key_figures(figures)
        case Chart():
            pages.chart(block)
        case Rows():
            pages.rows(block)


def _kept_with(blocks: Sequence[Block], number: int) -> Iterator[Block]:
    """What stands on the page of a heading: words, and the first chart, table or list behind them."""
    for block in blocks[number + 1 :]:
        yield block
        if not isinstance(block, Words):
            return


def _is_same_place(one: Any, other: Any) -> bool:
    """Whether axes are these, or their twin."""
    return bool(np.allclose(one.get_position().bounds, other.get_position().bounds))


def _least(block: Block) -> float:
    """The inches that a block needs on one page."""
    if isinstance(block, Chart):
        return block.height
    return 0.5 if isinstance(block, Words) else 0.8
