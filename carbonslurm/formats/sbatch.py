"""What carbon-sbatch must know of the words that it hands to sbatch: read, never changed, except the comment.

The words are cut as sbatch's getopt does: options up to the first word that is neither an option nor the
value of one; that word is the script, and all behind it is the script's own. Long options may be abbreviated.
An option that is not known here (a newer Slurm's) is taken to have a value, as most have.

sbatch's own precedence holds: the command line, then SBATCH_* in the environment, then the script's #SBATCH
lines, the last one winning. Only the few options that a plan needs are read; the rest is sbatch's business.
"""

import re
import shlex
import signal as signals
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from carbonslurm.core.job import Tres
from carbonslurm.core.tag import PREFIX
from carbonslurm.errors import UsageError

HARMLESS = frozenset({"CONT", "URG", "WINCH"})  # ignored by whoever sets no trap
_SHELL = re.compile(r"#!\s*\S*(?:/env\s+(?:-S\s+)?)?\b(?:ba|da|k|z|)sh\b")
MAX_COMMENT = 1024  # bytes; slurmctld refuses a job with a longer one
# Flags, and what takes a value only behind "=", up to Slurm 25.05.
_FLAG_NAMES = """
    consolidate-segments contiguous exclusive get-user-env help hold ignore-pbs nice no-kill no-requeue
    oom-kill-step overcommit oversubscribe parsable propagate quiet reboot requeue resv-ports share spread-job
    stepmgr test-only usage use-min-nodes verbose version wait
"""
# With a value; they are listed so that an abbreviation can be told.
_VALUED_NAMES = """
    account acctg-freq array batch bb bbf begin chdir cluster-constraint clusters comment constraint
    container container-id core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot
    dependency distribution error exclude export export-file extra extra-node-info gid gpu-bind gpu-freq gpus
    gpus-per-node gpus-per-socket gpus-per-task gres gres-flags hint input job-name kill-on-invalid-dep
    licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network nodefile
    nodelist nodes ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket open-mode output
    partition power prefer priority profile qos reservation segment signal sockets-per-node switches
    thread-spec threads-per-core time time-min tmp tres-bind tres-per-task uid wait-all-nodes wckey
    wrap
"""
_FLAGS, _VALUED = frozenset(_FLAG_NAMES.split()), frozenset(_VALUED_NAMES.split())
_SHORT_FLAGS = "hHkOQsuvVW"
_SHORT = {"a": "array", "b": "begin", "B": "extra-node-info", "c": "cpus-per-task", "G": "gpus"}
_SHORT |= {"n": "ntasks", "N": "nodes", "p": "partition", "t": "time", "A": "account"}
_ENVIRONMENT = {
    "SBATCH_ACCOUNT": "account",
    "SBATCH_ARRAY_INX": "array",
    "SBATCH_GPUS": "gpus",
    "SBATCH_GPUS_PER_NODE": "gpus-per-node",
    "SBATCH_GPUS_PER_TASK": "gpus-per-task",
    "SBATCH_GRES": "gres",
    "SBATCH_OPEN_MODE": "open-mode",
    "SBATCH_PARTITION": "partition",
    "SBATCH_TIMELIMIT": "time",
}
_TIME = re.compile(r"(?:([0-9]{1,8})-)?([0-9]{1,8})(?::([0-9]{1,8}))?(?::([0-9]{1,8}))?")
_COUNT = re.compile(r"[0-9]{1,8}")
_GPU_ITEM = re.compile(r"(?:gres[:/])?gpu(?:[:=](.*))?")
_KIND_AND_COUNT = re.compile(r"(?:([^:=]+)[:=])?([0-9]{1,8})")


@dataclass(frozen=True, slots=True)
class Option:
    """One option among sbatch's words.

    Attributes:
        name: its long name in full, without dashes; the letter of a short one that no plan needs.
        value: None where it has none.
        words: the one or two that it stands in.
    """

    name: str
    value: str | None
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """sbatch's words, cut where it cuts them.

    Attributes:
        options: in order.
        rest: the script and its own arguments, with the ``--`` before them if there is one.
    """

    options: tuple[Option, ...]
    rest: tuple[str, ...]

    @property
    def script(self) -> str | None:
        """The word that names the script; None with --wrap, and where it comes from stdin."""
        if any(option.name == "wrap" for option in self.options):
            return None
        return next(iter(self.rest[1:] if self.rest[:1] == ("--",) else self.rest), None)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of sbatch, as far as a plan needs it.

    Attributes:
        time: the time limit, None where it is left to Slurm or unlimited.
        partition: the first one named.
        account: None where it is left to Slurm.
        tres: of the job, or of each task of an array; GPUs in a count good enough for grams.
        comment: the owner's.
        begin: as written.
        deadline: as written.
        appends: whether its output file outlives a requeue.
        array: whether it is an array.
        mails_requeues: whether Slurm sends a mail when it is requeued.
    """

    time: timedelta | None = None
    partition: str | None = None
    account: str | None = None
    tres: Tres = field(default_factory=Tres)
    comment: str | None = None
    begin: str | None = None
    deadline: str | None = None
    appends: bool = False
    array: bool = False
    mails_requeues: bool = False


def read_words(words: Sequence[str]) -> Words:
    """Cut sbatch's words into its options and the rest."""
    options: list[Option] = []
    index = 0
    while index < len(words) and words[index].startswith("-") and words[index] not in {"-", "--"}:
        word = words[index]
        name, value, waits = _long(word[2:]) if word.startswith("--") else _short(word[1:])
        taken = tuple(words[index : index + (2 if waits else 1)])
        options.append(Option(name, taken[1] if len(taken) > 1 else value, taken))
        index += len(taken)
    return Words(tuple(options), tuple(words[index:]))


def read_request(
    words: Sequence[str], script: str | None, environment: Mapping[str, str] | None = None
) -> Request:
    """Read sbatch's words, its variables and the script's #SBATCH lines."""
    found = _values(read_words(_script_words(script or "")).options)
    found |= {
        name: (environment or {})[key] for key, name in _ENVIRONMENT.items() if key in (environment or {})
    }
    found |= _values(read_words(words).options)
    return Request(
        time=read_limit(found.get("time", "")),
        partition=found.get("partition", "").split(",")[0] or None,
        account=found.get("account") or None,
        tres=_tres(found),
        comment=found.get("comment"),
        begin=found.get("begin"),
        deadline=found.get("deadline"),
        appends=found.get("open-mode", "").startswith("a"),
        array="array" in found,
        mails_requeues=bool({"ALL", "REQUEUE"} & set(found.get("mail-type", "").upper().split(","))),
    )


def read_limit(text: str) -> timedelta | None:
    """Read sbatch's --time: ``M``, ``M:S``, ``H:M:S``, ``D-H``, ``D-H:M``, ``D-H:M:S``; None for others.

    None for 0 too, which to sbatch means no limit.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    days, first, second, third = (None if group is None else int(group) for group in match.groups())
    if days is not None:
        limit = timedelta(days=days, hours=first or 0, minutes=second or 0, seconds=third or 0)
    elif third is not None:
        limit = timedelta(hours=first or 0, minutes=second or 0, seconds=third)
    else:
        limit = timedelta(minutes=first or 0, seconds=second or 0)
    return limit or None


def lacks_trap(script: str | None, signal: str) -> bool:
    """Tell whether a shell script shows nothing that would outlive a signal: a guess, for a hint.

    Nothing is said of scripts that are no shell's, that become another program (``exec``), or read other
    files which may hold the trap; nor of signals that a shell ignores by itself.
    """
    shebang, _, body = (script or "").partition("\n")
    if signal in HARMLESS or not _SHELL.match(shebang):
        return False
    lines = [line for line in body.splitlines() if not line.lstrip().startswith("#")]
    number = signals.Signals[f"SIG{signal}"].value
    outlives = re.compile(rf"\btrap\b.*\b(?:SIG)?(?:{signal}|{number})\b|^\s*(?:exec|source|\.)\s")
    return not any(outlives.search(line) for line in lines)


def with_comment(words: Sequence[str], comment: str) -> list[str]:
    """Return sbatch's words with this comment in place of any that they give."""
    cut = read_words(words)
    kept = [word for option in cut.options if option.name != "comment" for word in option.words]
    return [f"--comment={comment}", *kept, *cut.rest]


def comment_with(tag: str, comment: str | None) -> str:
    """Return the owner's own words behind the tag; a tag among them gives way.

    Raises:
        UsageError: they leave no room for it.
    """
    rest = [word for word in (comment or "").split() if not word.startswith(PREFIX)]
    joined = " ".join([tag, *rest])
    size = len(joined.encode(errors="surrogateescape"))
    if size >= MAX_COMMENT:
        raise UsageError(f"the comment is too long: {size} bytes with the tag, expected under {MAX_COMMENT}")
    return joined


# --- cutting


def _long(text: str) -> tuple[str, str | None, bool]:
    """Return name, value, and whether the value is the next word."""
    written, mark, value = text.partition("=")
    name = _full_name(written)
    return name, value if mark else None, not mark and name not in _FLAGS


def _full_name(written: str) -> str:
    known = _FLAGS | _VALUED
    found = [written] if written in known else [name for name in known if name.startswith(written)]
    return found[0] if len(found) == 1 else written


def _short(text: str) -> tuple[str, str | None, bool]:
    """The same for ``-t5``, ``-t 5``, and flags before it: ``-Ht5``."""
    value = text.lstrip(_SHORT_FLAGS)
    if not value:
        return text[-1], None, False
    return _SHORT.get(value[0], value[0]), value[1:] or None, len(value) == 1


def _values(options: Iterable[Option]) -> dict[str, str]:
    return {option.name: option.value for option in options if option.value is not None}


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


# --- counting


def _tres(found: Mapping[str, str]) -> Tres:
    nodes = _number(found.get("nodes")) or 1
    tasks = _number(found.get("ntasks")) or nodes * (_number(found.get("ntasks-per-node")) or 1)
    cpus = tasks * (_number(found.get("cpus-per-task")) or 1)
    return Tres(cpus=cpus, nodes=nodes, gpus=_gpus(found, nodes, tasks))


def _gpus(found: Mapping[str, str], nodes: int, tasks: int) -> dict[str, int]:
    """Return the GPUs that the first form to name any asks for."""
    sockets = _number(found.get("sockets-per-node")) or _number(found.get("extra-node-info")) or 1
    forms = (
        ("gpus", 1),
        ("gpus-per-node", nodes),
        ("gres", nodes),
        ("gpus-per-task", tasks),
        ("tres-per-task", tasks),
        ("gpus-per-socket", nodes * sockets),
    )
    for name, times in forms:
        counts = _counts(found.get(name, ""), bare=name.startswith("gpus"))
        if counts:
            return {kind: count * times for kind, count in counts.items()}
    per_gpu = _number(found.get("ntasks-per-gpu"))
    return {"": -(-tasks // per_gpu)} if per_gpu else {}


def _counts(text: str, *, bare: bool) -> dict[str, int]:
    """Read a list such as ``a100:2,h100`` (bare), ``gpu:a100:2(S:0),shard:4`` or ``cpu=2,gres/gpu=1``."""
    counts: dict[str, int] = {}
    for item in text.split(","):
        word = item.partition("(")[0]
        match = _GPU_ITEM.fullmatch(word)
        if not (word and (bare or match)):
            continue
        asked = word if match is None else match[1] or ""
        both = _KIND_AND_COUNT.fullmatch(asked)
        kind, count = (both[1] or "", int(both[2])) if both else (asked, 1)
        if count:
            counts[kind] = counts.get(kind, 0) + count
    return counts


def _number(text: str | None) -> int:
    """Return the number that a text begins with (``2-4`` nodes are 2), 0 where there is none."""
    match = _COUNT.match(text or "")
    return int(match[0]) if match else 0
