"""Failpoints: a named place just before and just after each call by which our daemon touches the world.

Every step of a cycle and of a stop is a call of a port, so between any two steps there is such a place. Which
ports there are is read from the annotations of Cycle and Stopping, and which calls they have from the
Protocols: a new port, or a new method of one, is a new failpoint without a word here.

``advance_stop(signalled):after`` is just after the first call of advance_stop that is about this phase.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, Protocol, Self, TypeVar, get_args, get_origin, get_type_hints

from carbonslurm.app.cycle import Cycle
from carbonslurm.app.stopping import Stopping
from carbonslurm.core.action import Action, Verb
from carbonslurm.core.stop import Phase
from carbonslurm.ports import Outcome, OutcomeState

Parts = TypeVar("Parts")
# They change nothing: what holds after one of these held before it.
READS = frozenset({"snapshot", "controller", "known", "seen_waiting", "newest_issues", "actual", "pause"})
READS |= {"marked", "outages", "capacity", "past_runs", "issues", "calls_of", "look", "stops_in_flight"}
READS |= {"stops_begun", "limit_of_ageing"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a port, about to be made or just made.

    Attributes:
        name: of the method.
        about: the verbs, phases and outcomes that it was given.
    """

    name: str
    about: frozenset[str]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(sorted(self.about))})" if self.about else self.name


class Watch(Protocol):
    """Told of each call, before it is made and again when it is done."""

    def __call__(self, call: Call, *, done: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Failpoint:
    """Just before or after a call; with ``about``, only of one that was given this word."""

    name: str
    after: bool
    about: str | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Read ``withhold:before`` or ``advance_stop(signalled):after``."""
        found = re.fullmatch(r"(\w+)(?:\((\w+)\))?:(before|after)", text)
        assert found is not None, f"no failpoint: {text}"
        return cls(found[1], found[3] == "after", found[2])

    def is_at(self, call: Call, *, done: bool) -> bool:
        """Tell whether this is the place."""
        about = self.about is None or self.about in call.about
        return self.name == call.name and about and self.after is done


def behind(parts: Parts, watch: Watch) -> Parts:
    """Return a use case, or a part of one, with all of its ports watched."""
    hands = _hands(type(parts)).items()
    return replace(parts, **{name: _behind(getattr(parts, name), kinds, watch) for name, kinds in hands})


def _behind(value: Any, kinds: Sequence[type], watch: Watch) -> Any:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {key: _behind(each, kinds, watch) for key, each in value.items()}
    return _Watched(value, watch) if any(map(_is_port, kinds)) else behind(value, watch)


def places(passed: Sequence[str]) -> list[int]:
    """Return where a daemon can die that made these calls: 0, and after each that changes something."""
    return [0, *(number for number, call in enumerate(passed, 1) if call not in {*READS, "settle"})]


def calls() -> frozenset[str]:
    """Return the name of every call that a cycle or a stop could make."""
    return frozenset(name for port in {*ports(Cycle), *ports(Stopping)} for name in _methods(port))


def ports(parts: type) -> Iterator[type]:
    """Yield the Protocols of a use case's ports, and of its parts'."""
    for hints in _hands(parts).values():
        for hint in hints:
            yield from ports(hint) if _hands(hint) else (hint,)


def _hands(kind: type) -> dict[str, list[type]]:
    """Return the fields of a dataclass that are ports, or hold some, each with what it can be."""
    if not is_dataclass(kind):
        return {}
    found = {name: list(_named_in(hint)) for name, hint in get_type_hints(kind).items()}
    hands = {name: [it for it in hints if _is_port(it) or _hands(it)] for name, hints in found.items()}
    return {name: hints for name, hints in hands.items() if hints}


def _named_in(hint: Any) -> Iterator[type]:
    """Yield the types in an annotation: of a mapping's values, of what may be None."""
    inner = get_args(hint)
    if isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Callable):
        return
    if not inner and isinstance(hint, type):
        yield hint
    for each in inner:
        yield from _named_in(each)


def _is_port(kind: type) -> bool:
    return bool(getattr(kind, "_is_protocol", False))


def _methods(port: type) -> Iterator[str]:
    for kind in port.__mro__:
        if _is_port(kind):
            yield from (name for name, value in vars(kind).items() if callable(value) and name[0] != "_")


class _Watched:
    """A port: each call goes through to the thing itself."""

    def __init__(self, thing: object, watch: Watch) -> None:
        self._thing, self._watch = thing, watch

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            this = Call(name, frozenset(_words((*given, *named.values()))))
            self._watch(this, done=False)
            answer = getattr(self._thing, name)(*given, **named)
            self._watch(this, done=True)
            return answer

        return call


def _words(given: object) -> Iterator[str]:
    if isinstance(given, Verb | Phase | OutcomeState):
        yield given.value
    elif isinstance(given, Action):
        yield given.verb.value
    elif isinstance(given, Outcome):
        yield given.state.value
    elif isinstance(given, Mapping):
        yield from _words(tuple(given.values()))
    elif isinstance(given, tuple | list):
        for item in given:
            yield from _words(item)
