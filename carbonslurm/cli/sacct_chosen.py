"""The columns that ``-o`` names, as sacct reads them: in any case, cut short, and with ``%width``."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from carbonslurm.cli.sacct_meanings import ONLY_SACCT
from carbonslurm.errors import UsageError

ALL = "ALL"


@dataclass(frozen=True, slots=True)
class Column:
    """A column that was asked for; ``width`` is that of ``%width``, negative to the left."""

    name: str
    width: int | None = None


def chosen_fields(text: str, fields: Iterable[str]) -> list[Column]:
    """Return the columns that -o names, in any case, each with its ``%width``.

    Args:
        text: as it was given.
        fields: the columns that there are; of several that begin as a word does, the first counts.

    Raises:
        UsageError: there is no such column, or its width is none.
    """
    names = {name.lower(): name for name in fields}
    found: list[Column] = []
    for word in text.split(","):
        name, mark, width = word.strip().partition("%")
        if name.upper() == ALL:
            found += [Column(it) for it in names.values()]
        elif name or mark:
            found.append(Column(_named(name, names), _width(word, width) if mark else None))
    if not found:
        raise UsageError("-o: no column is named: carbon-sacct --helpformat lists them")
    return found


def _named(word: str, names: dict[str, str]) -> str:
    lower = word.lower()
    theirs = {name.lower(): name for name in ONLY_SACCT}
    if lower in names:
        return names[lower]
    if lower in theirs:
        raise UsageError(
            f"{theirs[lower]} is not in the ledger: join with sacct by Cluster, JobIDRaw and Submit"
        )
    begun = next((name for key, name in names.items() if lower and key.startswith(lower)), None)
    if begun is not None:
        return begun
    close = get_close_matches(lower, names, n=1)
    hint = f" (did you mean {names[close[0]]}?)" if close else ""
    raise UsageError(f'no column "{word[:40]}"{hint}: carbon-sacct --helpformat lists them')


def _width(word: str, text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits[:6]) < 10_000):
        raise UsageError(f'expected a width such as JobID%20 or User%-12, got "{word[:40]}"')
    return int(text)
