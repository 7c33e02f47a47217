"""What carbon-sbatch must know of the words that it hands to sbatch: read, never changed, except the comment.

sbatch's own precedence holds: the command line, then the script's #SBATCH lines, the last one winning. Only
the few options that a plan needs are read; whatever else stands there is sbatch's business.
"""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from carbonslurm.core.job import Tres

_NAMES = {
    "-t": "time",
    "--time": "time",
    "-p": "partition",
    "--partition": "partition",
    "-G": "gpus",
    "--gpus": "gpus",
    "--gpus-per-node": "gpus",
    "--gres": "gpus",
    "-c": "cpus",
    "--cpus-per-task": "cpus",
    "--comment": "comment",
    "--deadline": "deadline",
    "--open-mode": "open_mode",
}
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_GPUS = re.compile(r"(?:^|,)(?:gres[:/])?(?:gpu:)?(?:([A-Za-z][\w.-]*):)?(\d+)(?=,|$|\()")


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of sbatch, as far as a plan needs it."""

    time: timedelta | None = None
    partition: str | None = None
    tres: Tres = field(default_factory=Tres)
    comment: str | None = None
    deadline: str | None = None
    appends: bool = False


def read_request(words: Sequence[str], script: str | None) -> Request:
    """Read sbatch's words and the script's #SBATCH lines."""
    found = _options(_script_words(script or "")) | _options(words)
    return Request(
        time=read_limit(found.get("time", "")),
        partition=found.get("partition", "").split(",")[0] or None,
        tres=Tres(cpus=_number(found.get("cpus", "1")), nodes=1, gpus=_gpus(found.get("gpus", ""))),
        comment=found.get("comment"),
        deadline=found.get("deadline"),
        appends=found.get("open_mode") == "append",
    )


def read_limit(text: str) -> timedelta | None:
    """Read sbatch's --time: ``M``, ``M:S``, ``H:M:S``, ``D-H``, ``D-H:M``, ``D-H:M:S``; None for others."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    days, first, second, third = (None if group is None else int(group) for group in match.groups())
    if days is not None:
        return timedelta(days=days, hours=first or 0, minutes=second or 0, seconds=third or 0)
    if third is not None:
        return timedelta(hours=first or 0, minutes=second or 0, seconds=third)
    return timedelta(minutes=first or 0, seconds=second or 0)


def with_comment(words: Sequence[str], comment: str) -> list[str]:
    """Return sbatch's words with this comment in place of any that they give."""
    kept: list[str] = []
    skip = False
    for index, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--comment" and index + 1 < len(words):
            skip = True
        elif not word.startswith("--comment="):
            kept.append(word)
    return [f"--comment={comment}", *kept]


def _script_words(script: str) -> list[str]:
    """sbatch reads #SBATCH lines up to the first line that is neither blank nor a comment."""
    words: list[str] = []
    for line in script.splitlines():
        text = line.strip()
        if text.startswith("#SBATCH"):
            try:
                words += shlex.split(text.removeprefix("#SBATCH"), comments=True)
            except ValueError:
                continue  # an unbalanced quote is sbatch's to refuse
        elif text and not text.startswith("#"):
            break
    return words


def _options(words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for index, word in enumerate(words):
        name, mark, value = word.partition("=")
        if mark and name.startswith("--") and name in _NAMES:
            found[_NAMES[name]] = value
        elif word in _NAMES and index + 1 < len(words):
            found[_NAMES[word]] = words[index + 1]
        elif word[:2] in _NAMES and len(word) > 2 and not word.startswith("--"):
            found[_NAMES[word[:2]]] = word[2:]
    return found


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 1


def _gpus(text: str) -> dict[str, int]:
    if text in {"gpu", "gres:gpu", "gres/gpu"}:
        return {"": 1}
    return {kind: int(count) for kind, count in _GPUS.findall(text)}
