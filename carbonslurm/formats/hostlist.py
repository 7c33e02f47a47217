"""Slurm's short way of writing many hosts, ``n[1-3,07],login1``, spelled out. Pure.

Written by slurmctld, so it is well formed; what cannot be read is refused, not guessed.
"""

import re
from collections.abc import Iterator

from carbonslurm.errors import DataError

MOST_HOSTS = 1_000_000  # Slurm's own limit is 65,536 in one expression
_WORD = re.compile(r"(?:[^,\[\]]|\[[0-9,-]+\])+")
_BRACKET = re.compile(r"\[([0-9,-]+)\]")


def hosts(text: str) -> frozenset[str]:
    """Return the hosts that an expression names; none for an empty one and for Slurm's ``(null)``.

    Raises:
        DataError: it is no such expression, or names more than a million hosts.
    """
    if text in {"", "(null)"}:
        return frozenset()
    words = _WORD.findall(text)
    if ",".join(words) != text:
        raise DataError(f'not a list of hosts: "{text[:80]}"')
    found: set[str] = set()
    for word in words:
        for host in _spelled_out(word):
            found.add(host)
            if len(found) > MOST_HOSTS:
                raise DataError(f"more than {MOST_HOSTS} hosts")
    return frozenset(found)


def _spelled_out(word: str) -> Iterator[str]:
    bracket = _BRACKET.search(word)
    if bracket is None:
        yield word
        return
    for number in _numbers(bracket.group(1)):
        for rest in _spelled_out(word[bracket.end() :]):
            yield word[: bracket.start()] + number + rest


def _numbers(ranges: str) -> Iterator[str]:
    for part in ranges.split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise DataError(f'not a range of numbers: "{part[:40]}"')
        for number in range(int(first), int(last or first) + 1):
            yield str(number).zfill(len(first))
