"""Text from outside on its way to a terminal: nothing in it may move the cursor or forge a line."""

from unicodedata import combining, east_asian_width


def cleaned(text: str) -> str:
    """Return the text with every control character (newline and escape too) and lone surrogate as ``?``."""
    return "".join(char if char.isprintable() else "?" for char in text)


def columns(header: list[str], rows: list[list[str]], right: frozenset[int] = frozenset()) -> str:
    """Lay out a table as squeue does: columns side by side, as wide as they need, no lines.

    Args:
        header: empty for none.
        rows: cells, cleaned here.
        right: numbers of the columns that stand to the right.
    """
    table = [[cleaned(cell) for cell in row] for row in ([header] if header else []) + rows]
    if not table:
        return ""
    widths = [max(room_of(row[index]) for row in table) for index in range(len(table[0]))]
    lines = [
        " ".join(
            _padding(cell, width) + cell if index in right else cell + _padding(cell, width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return "\n".join(lines)


def room_of(text: str) -> int:
    """Return how many places a terminal gives a text: letters of East Asia take two, combined marks none."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 1 + (east_asian_width(char) in "WF") for char in text)


def _padding(cell: str, width: int) -> str:
    return " " * (width - room_of(cell))


def divided(header: list[str], rows: list[list[str]], delimiter: str = "|", end: str = "") -> str:
    """Lay out a table for programs, as sacct -P does: a delimiter between the columns, and in no cell.

    Args:
        header: empty for none.
        rows: cells, cleaned here.
        delimiter: what divides them.
        end: what stands at the end of each line.
    """
    table = ([header] if header else []) + rows
    return "\n".join(
        delimiter.join(cleaned(cell).replace(delimiter, "?") for cell in row) + end for row in table
    )


# sacct's letters of --units, as powers of ten.
PREFIXES = {"": 0, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15}
_MASSES = {0: "g", 3: "kg", 6: "t", 9: "kt", 12: "Mt", 15: "Gt"}


def grams_text(grams: float | None, prefix: str | None = None) -> str:
    """Write an amount of CO2e; unknown where there is none.

    Args:
        grams: how much.
        prefix: one of PREFIXES, for its unit; None for a unit that fits, and three digits of it.
    """
    if grams is None:
        return "unknown"
    if prefix is not None:
        return _in(grams, PREFIXES[prefix], _MASSES[PREFIXES[prefix]])
    for limit, unit in ((1e6, "t"), (1e3, "kg")):
        if abs(grams) >= limit:
            return f"{three_digits(grams / limit)} {unit}"
    return f"{three_digits(grams)} g"


def energy_text(kwh: float | None, prefix: str | None = None) -> str:
    """Write an energy, in the unit of a prefix or in one that fits; unknown where there is none."""
    if kwh is None:
        return "unknown"
    if prefix is not None:
        letter = prefix.lower() if prefix == "K" else prefix
        return _in(kwh * 1000, PREFIXES[prefix], f"{letter}Wh")
    for limit, unit in ((1e6, "GWh"), (1e3, "MWh"), (1, "kWh")):
        if abs(kwh) >= limit:
            return f"{three_digits(kwh / limit)} {unit}"
    return f"{three_digits(kwh * 1000)} Wh"


def joules_text(joules: float | None, prefix: str | None = None) -> str:
    """Write joules as sacct's ConsumedEnergy: two digits and a letter for thousands; empty where unknown."""
    if joules is None:
        return ""
    fits = [letter for letter, power in PREFIXES.items() if abs(joules) >= 10**power]
    letter = (fits[-1] if fits else "") if prefix is None else prefix
    return f"{joules:.0f}" if not letter else f"{joules / 10 ** PREFIXES[letter]:.2f}{letter}"


def three_digits(number: float) -> str:
    """Write a number with three digits, and never as a power of ten where it is large."""
    return f"{number:.0f}" if abs(number) >= 99.95 else f"{number:.3g}"


def _in(amount: float, power: int, unit: str) -> str:
    return f"{amount / 10**power:.6g} {unit}"


def fitted(text: str, width: int) -> str:
    """Return a text as wide as sacct's ``%width``: to the right, or to the left where the width is negative.

    What is cut off shows as ``+``, as there.
    """
    room = abs(width)
    shown = cleaned(text)
    if room_of(shown) > room:
        while shown and room_of(shown) > room - 1:
            shown = shown[:-1]
        shown += "+"
    return _padding(shown, room) + shown if width > 0 else shown + _padding(shown, room)
