"""What the tests came to on one Slurm, and how that is said. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

from carbonslurm.errors import DataError

_WHY = 200
_FEW = 8


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests ended how; an error in a fixture is a failure."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One version's.

    Attributes:
        suite: its name.
        slurm: the version that was met, '' where it did not get that far.
        python: likewise.
        counts: of its tests.
        took: the tests alone.
        trouble: what went wrong besides failed tests, '' for nothing.
        logs: that tell what went wrong.
        failed: the tests that did, a line each.
        again: the tests that failed and passed when they were run once more, likewise; they count as passed.
    """

    suite: str
    slurm: str = ""
    python: str = ""
    counts: Counts = Counts()
    took: timedelta = timedelta(0)
    trouble: str = ""
    logs: tuple[Path, ...] = ()
    failed: tuple[str, ...] = ()
    again: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether tests ran, and all that ran passed."""
        return not self.trouble and self.counts.failed == 0 and self.counts.passed > 0

    def line(self) -> str:
        """Say it in one line."""
        met = f"Slurm {self.slurm or '?':<8} Python {self.python or '?':<8}"
        minutes, seconds = divmod(round(self.took.total_seconds()), 60)
        trouble = f"   {self.trouble}" if self.trouble else ""
        return f"{self.suite:<9} {met} {self.counts}   {minutes} min {seconds} s{trouble}"


def read_counts(xml: str) -> Counts:
    """Count pytest's report.

    Raises:
        DataError: it is not one.
    """
    try:
        numbers = [
            [int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")]
            for suite in _tree(xml).iter("testsuite")
        ]
    except (KeyError, ValueError) as error:
        raise DataError(f"pytest's report cannot be read: {error!r}") from error
    return sum(
        (
            Counts(tests - failures - errors - skipped, failures + errors, skipped)
            for tests, failures, errors, skipped in numbers
        ),
        Counts(),
    )


@dataclass(frozen=True, slots=True)
class Failed:
    """A test that failed.

    Attributes:
        words: what pytest calls it.
        why: the first line of that.
    """

    words: str
    why: str

    def __str__(self) -> str:
        return f"{self.words}: {self.why}"


def read_failed(xml: str) -> tuple[Failed, ...]:
    """Name the tests of pytest's report that failed; one that could not be tidied up either twice.

    Raises:
        DataError: it is none.
    """
    found = []
    for case in _tree(xml).iter("testcase"):
        file = (case.get("classname") or "").replace(".", "/")  # tests are functions: no class stands in it
        for how in (*case.findall("failure"), *case.findall("error")):
            why = (how.get("message") or "").splitlines() or [""]
            found.append(Failed(f"{file}.py::{case.get('name')}", why[0][:_WHY]))
    return tuple(found)


def to_try_again(failed: Sequence[Failed]) -> tuple[str, ...]:
    """Choose what is run once more: all that failed, where the machine may be to blame."""
    words = tuple(dict.fromkeys(test.words for test in failed))
    return words if len(words) <= _FEW else ()


def _tree(xml: str) -> ET.Element:
    try:
        return ET.fromstring(xml)  # noqa: S314 - pytest has just written it
    except ET.ParseError as error:
        raise DataError(f"pytest's report cannot be read: {error!r}") from error


def summary(outcomes: Sequence[Outcome]) -> str:
    """Say what all of them came to, in the words in which CI looks for it."""
    return f"matrix: {sum((outcome.counts for outcome in outcomes), Counts())}"
