"""Text from outside on its way to a terminal: nothing in it may move the cursor or forge a line."""


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
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))]
    lines = [
        " ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return "\n".join(lines)


def divided(header: list[str], rows: list[list[str]]) -> str:
    """Lay out a table for programs, as sacct -P does: | between the columns, and in no cell.

    Args:
        header: empty for none.
        rows: cells, cleaned here.
    """
    table = ([header] if header else []) + rows
    return "\n".join("|".join(cleaned(cell).replace("|", "?") for cell in row) for row in table)


def grams_text(grams: float | None) -> str:
    """Write an amount of CO2e with a unit that fits, three digits of it; unknown where there is none."""
    if grams is None:
        return "unknown"
    for limit, unit in ((1e6, "t"), (1e3, "kg")):
        if abs(grams) >= limit:
            return f"{grams / limit:.3g} {unit}"
    return f"{grams:.3g} g"
