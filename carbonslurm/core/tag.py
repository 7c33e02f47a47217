"""The tag: how a job says that it may wait, as its owner writes it and as the hook hands it on.

Two texts, two values. A ``Declaration`` is what an owner writes in ``--comment``:
``carbon:flex=12h,checkpoint=USR1@120``. A ``Tag`` is what the Lua hook makes of it at submit and writes in
AdminComment: integers in seconds and epochs, fixed order, with the job's own begin time and its absolute
latest start in it, so that it outlives requeues.

``slurm_plugins/carbonslurm.lua`` reads declarations too, since slurmctld cannot call Python. Both are tested
with the table in ``tests/tag_cases.json``, so they accept the same words and refuse the others with the same
sentences: whoever changes a rule or a message here changes it there and in the table. To keep that possible
everything is ASCII: other characters are legal nowhere in a tag, and are left out, not replaced, where a
message echoes what was written.

Nothing here reads a clock. Text that cannot be read gives UsageError (a declaration: somebody can type it
again) or DataError (a tag: AdminComment holds what our hook does not write), and nothing else.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from carbonslurm.errors import DataError, UsageError

PREFIX = "carbon:"
VERSION_ITEM = "v=1"
MAX_LENGTH = 200
MAX_ECHO = 40
SIGNALS = ("USR1", "USR2", "TERM", "INT", "HUP", "ALRM", "CONT", "URG", "WINCH", "QUIT")
LONGEST_DURATION = timedelta(days=30)
LONGEST_GRACE = timedelta(hours=1)
DEFAULT_GRACE = timedelta(seconds=60)

# Only C's blanks: str.split() would also split at Unicode blanks, which Lua does not know.
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_DURATION = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_SECONDS = re.compile(r"[0-9]{1,9}")
_EPOCH = re.compile(r"[0-9]{1,10}")  # ten digits reach the year 2286 and stay exact in Lua's doubles
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How a job can be asked to save its state, and how long that and loading it again take."""

    signal: str
    grace: timedelta
    full: bool
    restart: timedelta | None


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an owner (or a site's default) says about one job."""

    now: bool = False
    flex: timedelta | None = None
    finish: datetime | None = None
    checkpoint: Checkpoint | None = None
    length: timedelta | None = None


class FlexibleBy(StrEnum):
    """Who made a job flexible."""

    OWNER = "owner"
    SITE = "site"
    BUDGET = "budget"  # only while one is used up: see ``allowance``


@dataclass(frozen=True, slots=True)
class Tag:
    """What the hook knew of a flexible job at submit."""

    flex: timedelta
    by: FlexibleBy
    latest: datetime | None = None
    begin: datetime | None = None
    window: datetime | None = None
    finish: datetime | None = None
    checkpoint: Checkpoint | None = None
    length: timedelta | None = None


def find_tag(comment: str) -> str | None:
    """Return the first word of a comment that starts with ``carbon:``, or None."""
    return next((word for word in _WORD.findall(comment) if word.startswith(PREFIX)), None)


def parse_duration(text: str, longest: timedelta = LONGEST_DURATION) -> timedelta:
    """Read ``90m``, ``12h`` or ``1d12h``; a bare number is refused: Slurm and others disagree on its unit."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        why = " (a bare number means minutes in Slurm, seconds elsewhere: give a unit)"
        bare = why if _SECONDS.fullmatch(text) else ""
        raise UsageError(f'expected a duration such as 12h or 1d12h, got "{_echo(text)}"{bare}')
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    total = days * 86_400 + hours * 3_600 + minutes * 60 + seconds
    if not 1 <= total <= longest.total_seconds():
        raise UsageError(f'expected 1s to {format_duration(longest)}, got "{_echo(text)}"')
    return timedelta(seconds=total)


def format_duration(duration: timedelta) -> str:
    """Write whole seconds as ``1d12h``; the inverse of parse_duration."""
    left = duration // timedelta(seconds=1)
    words = []
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            words.append(f"{count}{unit}")
    return "".join(words) or "0s"


def parse_declaration(word: str) -> Declaration:
    """Read a tag as a user writes it; UsageError says in one line what is wrong with it."""
    if len(word.encode(errors="replace")) > MAX_LENGTH:  # in bytes, as Lua counts
        raise UsageError(f"carbon: expected at most {MAX_LENGTH} characters")
    if not word.startswith(PREFIX):
        raise UsageError(f'carbon: expected a word that starts with "carbon:", got "{_echo(word)}"')
    items = _items(word.removeprefix(PREFIX))
    return Declaration(
        now="now" in items,
        flex=_read(items, "flex", parse_duration),
        finish=_read(items, "finish", _parse_epoch),
        checkpoint=_checkpoint(items),
        length=_read(items, "length", parse_duration),
    )


def format_declaration(declaration: Declaration) -> str:
    """Write a declaration as a user would; the inverse of parse_declaration."""
    pairs = [
        ("now", "" if declaration.now else None),
        ("flex", _written(declaration.flex, format_duration)),
        ("finish", _epoch(declaration.finish)),
        *_checkpoint_items(declaration.checkpoint, format_duration),
        ("length", _written(declaration.length, format_duration)),
    ]
    return PREFIX + _join(pairs)


def parse_tag(text: str) -> Tag | None:
    """Find the hook's tag in AdminComment, where other software writes too, and read it; None without one."""
    start = PREFIX + VERSION_ITEM
    word = next((word for word in _WORD.findall(text) if f"{word},".startswith(f"{start},")), None)
    if word is None:
        return None
    try:
        return _read_tag(_items(word.removeprefix(start).removeprefix(","), _WRITTEN))
    except UsageError as error:
        raise DataError(f"AdminComment: {error}") from error


def format_tag(tag: Tag) -> str:
    """Write a tag as the hook does."""
    pairs = [
        ("flex", _digits(tag.flex)),
        ("latest", _epoch(tag.latest)),
        ("begin", _epoch(tag.begin)),
        ("window", _epoch(tag.window)),
        ("finish", _epoch(tag.finish)),
        *_checkpoint_items(tag.checkpoint, _digits),
        ("length", _written(tag.length, _digits)),
        ("by", tag.by.value),
    ]
    return f"{PREFIX}{VERSION_ITEM},{_join(pairs)}"


# --- reading

Value = TypeVar("Value")

_FLAGS = ("now", "full")
_DECLARED = (*_FLAGS, "flex", "finish", "checkpoint", "restart", "length")
_WRITTEN = ("full", "flex", "latest", "begin", "window", "finish", "checkpoint", "restart", "length", "by")


def _items(body: str, known: tuple[str, ...] = _DECLARED) -> dict[str, str]:
    items: dict[str, str] = {}
    for item in body.split(","):
        name, equals, value = item.partition("=")
        if not item:
            raise UsageError("carbon: empty item")
        if name not in known:
            raise UsageError(f'carbon: unknown item "{_echo(name)}"')
        if name in items:
            raise UsageError(f"carbon: {name}: given twice")
        if name in _FLAGS and equals:
            raise UsageError(f"carbon: {name}: takes no value")
        items[name] = value
    if "now" in items and len(items) > 1:
        raise UsageError("carbon: now: must stand alone")
    for name in ("full", "restart"):
        if name in items and "checkpoint" not in items:
            raise UsageError(f"carbon: {name}: needs checkpoint")
    return items


def _read(items: dict[str, str], name: str, parse: Callable[[str], Value]) -> Value | None:
    if name not in items:
        return None
    try:
        return parse(items[name])
    except (UsageError, ValueError) as error:
        raise UsageError(f"carbon: {name}: {error}") from error


def _checkpoint(
    items: dict[str, str], parse: Callable[[str], timedelta] = parse_duration
) -> Checkpoint | None:
    read = _read(items, "checkpoint", _parse_signal)
    restart = _read(items, "restart", parse)
    if read is None:
        return None
    signal, grace = read
    return Checkpoint(signal, grace, full="full" in items, restart=restart)


def _parse_signal(text: str) -> tuple[str, timedelta]:
    name, at, grace = text.partition("@")
    signal = name.removeprefix("SIG")
    if signal not in SIGNALS:
        raise UsageError(f'expected one of {" ".join(SIGNALS)}, got "{_echo(name)}"')
    if not at:
        return signal, DEFAULT_GRACE
    # Bare seconds are read here, and only here, because sbatch's own --signal=USR1@120 takes them.
    return signal, parse_duration(f"{grace}s" if _SECONDS.fullmatch(grace) else grace, LONGEST_GRACE)


def _parse_epoch(text: str) -> datetime:
    if not _EPOCH.fullmatch(text) or not int(text):
        raise UsageError(f'expected seconds since 1970, got "{_echo(text)}"')
    return datetime.fromtimestamp(int(text), UTC)


def _parse_seconds(text: str) -> timedelta:
    if not _SECONDS.fullmatch(text) or not int(text):
        raise UsageError(f'expected seconds, got "{_echo(text)}"')
    return timedelta(seconds=int(text))


def _read_tag(items: dict[str, str]) -> Tag:
    flex = _read(items, "flex", _parse_seconds)
    by = _read(items, "by", FlexibleBy)
    if flex is None or by is None:
        raise UsageError("carbon: flex or by is missing")
    return Tag(
        flex=flex,
        by=by,
        latest=_read(items, "latest", _parse_epoch),
        begin=_read(items, "begin", _parse_epoch),
        window=_read(items, "window", _parse_epoch),
        finish=_read(items, "finish", _parse_epoch),
        checkpoint=_checkpoint(items, _parse_seconds),
        length=_read(items, "length", _parse_seconds),
    )


# --- writing


def _checkpoint_items(
    checkpoint: Checkpoint | None, write: Callable[[timedelta], str]
) -> list[tuple[str, str | None]]:
    if checkpoint is None:
        return []
    return [
        ("checkpoint", f"{checkpoint.signal}@{_digits(checkpoint.grace)}"),
        ("full", "" if checkpoint.full else None),
        ("restart", _written(checkpoint.restart, write)),
    ]


def _written(duration: timedelta | None, write: Callable[[timedelta], str]) -> str | None:
    return None if duration is None else write(duration)


def _join(pairs: list[tuple[str, str | None]]) -> str:
    return ",".join(f"{name}={value}" if value else name for name, value in pairs if value is not None)


def _digits(duration: timedelta) -> str:
    return str(duration // timedelta(seconds=1))


def _epoch(when: datetime | None) -> str | None:
    if when is None:
        return None
    if when.tzinfo is None:
        raise ValueError(f"a naive time in a tag: {when}")
    return str(int(when.timestamp()))


def _echo(text: str) -> str:
    return "".join(character for character in text if " " <= character <= "~")[:MAX_ECHO]
