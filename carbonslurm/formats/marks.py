"""What separates fields and ends rows in Slurm's text outputs: made anew for each call, and checked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from carbonslurm.errors import DataError


@dataclass(frozen=True, slots=True)
class Marks:
    """What separates fields and ends rows in one call: random, so that no content can imitate it."""

    field: str
    end: str

    def wanted(self, fields: Sequence[str]) -> str:
        """Return the text behind ``--Format=`` that asks for these fields."""
        ends = [self.field] * (len(fields) - 1) + [self.end]
        return ",".join(f"{name}:{end}" for name, end in zip(fields, ends, strict=True))


def read_fields(text: str, marks: Marks, fields: Sequence[str], command: str) -> list[list[str]]:
    """Return the rows of an output, each with the values of exactly these fields.

    Raises:
        DataError: the output breaks off, or a row has not exactly the fields that were asked for.
    """
    *rows, rest = text.split(f"{marks.end}\n")
    if rest.strip():
        raise DataError(f'{command}: output ends without its end mark: "{rest[:80]}"')
    split = [[value.strip() for value in row.split(marks.field)] for row in rows]
    wrong = next((len(values) for values in split if len(values) != len(fields)), None)
    if wrong is not None:
        raise DataError(f"{command}: a row has {wrong} fields instead of {len(fields)}")
    return split
