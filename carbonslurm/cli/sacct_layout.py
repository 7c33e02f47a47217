"""How carbon-sacct's tables are written: in columns, divided for programs, or as CSV."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field

from carbonslurm.formats.terminal import cleaned, columns, divided, fitted


@dataclass(frozen=True, slots=True)
class Table:
    """Cells under headings, and how they are laid out.

    Attributes:
        right: numbers of the columns that stand to the right.
        widths: of the columns for which ``%width`` was given.
        texts: numbers of the columns with people's own words.
    """

    header: list[str]
    cells: list[list[str]]
    right: frozenset[int] = frozenset()
    widths: Mapping[int, int] = field(default_factory=dict)
    texts: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is written: in columns, divided for programs, or as CSV.

    Attributes:
        divided: by ``delimiter``, as sacct -P.
        end: behind each line, as sacct -p.
    """

    divided: bool = False
    delimiter: str = "|"
    end: str = ""
    csv: bool = False
    header: bool = True

    def write(self, table: Table) -> str:
        """Return the table as text, without the last line's end."""
        header = table.header if self.header else []
        if self.csv:
            return _csv(header, table)
        if self.divided:
            return divided(header, table.cells, self.delimiter, self.end)
        cells = [_fit(row, table.widths) for row in table.cells]
        return columns(_fit(header, table.widths), cells, table.right)


def _fit(row: list[str], widths: Mapping[int, int]) -> list[str]:
    return [fitted(cell, widths[index]) if index in widths else cell for index, cell in enumerate(row)]


def _csv(header: list[str], table: Table) -> str:
    """Write CSV; a word of people's own that a spreadsheet would take for a formula gets a quote ahead."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow(header)
    for row in table.cells:
        writer.writerow(
            f"'{cell}" if index in table.texts and cell[:1] in set("=+-@") else cell
            for index, cell in enumerate(map(cleaned, row))
        )
    return out.getvalue().removesuffix("\n")
