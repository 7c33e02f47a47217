"""Pages of A4 as matplotlib's figures: where the next line goes, and how wide words are.

Lengths are inches, from the upper left corner; sizes of letters are points.
"""

from __future__ import annotations

from typing import Any

from carbonslurm.formats.terminal import cleaned

PAGE = (8.27, 11.69)  # A4, inches
SIDE, TOP, BOTTOM = 0.85, 0.8, 0.85
WIDTH = PAGE[0] - 2 * SIDE
BODY, SMALL, HEAD, TITLE = 9.5, 8.0, 12.0, 17.0  # points
LINE = 1.42  # of the size of the letters
BLUE, PALE, GREY, DARK = "#0072B2", "#f4f7fa", "#666666", "#222222"
POINTS_AN_INCH = 72
SMALLEST, MARGIN = 5.5, 0.09  # of the letters of a table, points; between its columns, inches


class Sheets:
    """Pages that fill from the top down; ``y`` is how far down the next line begins."""

    def __init__(self, foot: str) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._figure_class, self._canvas_class = Figure, FigureCanvasAgg
        self._foot = foot
        self.figures: list[Any] = []
        self.y = 0.0
        self.turn()

    def turn(self) -> None:
        """Begin a page."""
        figure = self._figure_class(figsize=PAGE)
        self._canvas_class(figure)
        self.figures.append(figure)
        self.y = TOP
        self.put(SIDE, PAGE[1] - 0.5, self._foot, SMALL - 1, GREY)
        self.put(PAGE[0] - SIDE, PAGE[1] - 0.5, str(len(self.figures)), SMALL - 1, GREY, align="right")

    def need(self, height: float) -> None:
        """Turn the page where there is no room for so many inches."""
        if self.y + height > PAGE[1] - BOTTOM and self.y > TOP:
            self.turn()

    def width_of(self, text: str, size: float, weight: str = "normal") -> float:
        """Return the inches that a text takes in a line."""
        from matplotlib.font_manager import FontProperties

        renderer = self.figures[-1].canvas.get_renderer()
        properties = FontProperties(size=size, weight=weight)
        width, _, _ = renderer.get_text_width_height_descent(text, properties, ismath=False)
        # The renderer's letters are hinted for a screen, and a little narrower than those on paper.
        return 1.02 * float(width) / float(self.figures[-1].dpi)

    def lines(self, text: str, size: float, width: float, weight: str = "normal") -> list[str]:
        """Break a text into lines."""
        found = [""]
        for word in cleaned(text).split(" "):
            longer = f"{found[-1]} {word}".strip()
            if found[-1] and self.width_of(longer, size, weight) > width:
                found.append(word)
            else:
                found[-1] = longer
        return found

    def put(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        *,
        weight: str = "normal",
        align: str = "left",
    ) -> None:
        """Set a text on its base line."""
        self.figures[-1].text(
            x / PAGE[0],
            1 - y / PAGE[1],
            text,
            fontsize=size,
            color=colour,
            weight=weight,
            ha=align,
            va="baseline",
            parse_math=False,
        )

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """Fill a rectangle."""
        from matplotlib.patches import Rectangle

        figure = self.figures[-1]
        place = (x / PAGE[0], 1 - (y + height) / PAGE[1])
        figure.add_artist(
            Rectangle(
                place,
                width / PAGE[0],
                height / PAGE[1],
                facecolor=colour,
                edgecolor="none",
                transform=figure.transFigure,
            )
        )
