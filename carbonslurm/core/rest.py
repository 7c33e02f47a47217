"""When a provider may be asked again: what is remembered of asking, and what follows from it.

A *question* is one thing asked of one provider about one zone (``QuestionKey``); what became of asking it is
its ``Asked``. The rules:

- After an answer a question rests for its provider's own interval (``Terms.every``), or for the site's where
  that is longer. The interval counts from the asking, and a tenth of it, at most five seconds, is left off:
  a timetable of the same period must not miss its own next turn by a moment.
- After a failure it rests for a minute, then two, four and so on up to an hour (``FIRST_REST``,
  ``LONGEST_REST``), shortened by up to half at random, so that many who failed together do not come back
  together. Chance is an argument: nothing here is random. Where asking costs nothing (no interval in the
  terms: a file) it is not put off beyond the site's interval.
- Where the provider said for how long (Retry-After), it rests so long, and up to a tenth longer at random, so
  that all its zones do not come back together. That is said to all who ask from here, so all questions to
  this provider rest (``told_to_wait``).
- A refusal (a wrong key, no entitlement) rests for an hour, then two, four and so on up to a day, likewise a
  little longer: asking again does not help, but a person may.
- Terms may limit the calls of a provider: no more than ``calls`` within any ``per``. The budget is dealt out
  evenly: with n questions, each rests for n / calls x per at least (``share_of``), whatever the outcome, so
  that no zone eats what another one needs; and no call is made that would be one too many (``has_room``).

No rest is longer than a day and its tenth, or than a question's share: whatever happened is asked about
again. A memory from the future is the work of a clock that was wrong, and keeps nobody waiting.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from carbonslurm.core.nature import Nature

FIRST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(hours=1)
REFUSED_REST = timedelta(hours=1)
EARLIEST = timedelta(seconds=5)  # the most that is left off an interval
LONGEST_WORD = timedelta(days=1)  # no provider is left alone for longer, whatever it says
CLOSE = timedelta(hours=1)  # two who ask beside each other are never further apart
SPREAD = 0.1  # the most that chance adds to a rest that must not be shortened
LONGEST_REASON = 300  # characters; messages are short, and this makes sure
FORECAST = "forecast"


@dataclass(frozen=True, slots=True)
class Terms:
    """How often a provider may be asked, and what may be done with what it says.

    Attributes:
        every: asked again sooner, it has nothing new to say.
        calls: the most calls within ``per``, all zones and questions together; None where no number is known.
        per: see ``calls``.
        public: whether its values may be passed on to others.
    """

    every: timedelta
    calls: int | None = None
    per: timedelta = timedelta(hours=1)
    public: bool = True


@dataclass(frozen=True, slots=True, order=True)
class QuestionKey:
    """One question: the provider and the zone as the configuration spells them, and what is asked."""

    provider: str
    zone: str
    question: str

    def __str__(self) -> str:
        return f"{self.provider}: {self.zone}: {self.question}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is remembered of asking one question.

    Attributes:
        asked_at: when it was last asked, None where it never was.
        answered_at: when it last gave an answer that could be believed.
        gave: what that answer held: ``forecast``, ``measured average, lifecycle``, both or nothing.
        failures: how often in a row there was none since.
        left_until: it is not asked before.
        reason: why there was no answer the last time, in one line; None where there was one.
        calls: when it was asked, as long as its provider's terms count that.
    """

    asked_at: datetime | None = None
    answered_at: datetime | None = None
    gave: tuple[str, ...] = ()
    failures: int = 0
    left_until: datetime | None = None
    reason: str | None = None
    calls: tuple[datetime, ...] = ()


NEVER = Asked()


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one question may be asked.

    Attributes:
        terms: its provider's.
        interval: from one good answer to the next asking, unless the terms want longer.
        sharers: how many questions share the provider's calls, this one among them.
    """

    terms: Terms
    interval: timedelta
    sharers: int = 1

    @property
    def share(self) -> timedelta:
        """The time that each question has to leave between two calls, so that all have a turn."""
        if self.terms.calls is None:
            return timedelta()
        return self.terms.per * self.sharers / max(self.terms.calls, 1)

    @property
    def every(self) -> timedelta:
        """From one answer to the next asking."""
        wanted = max(self.terms.every, self.interval)
        return max(wanted - min(wanted / 10, EARLIEST), self.share)

    @property
    def longest(self) -> timedelta:
        """The longest rest after a failure; a file, of which looking costs nothing, gets none."""
        return LONGEST_REST if self.terms.every else self.every


def measured_word(nature: Nature) -> str:
    """Return the word in ``Asked.gave`` for measured values of a nature."""
    return f"measured {nature}"


def begun(before: Asked, pace: Pace, asked_at: datetime) -> Asked:
    """Return what is remembered from when a question is asked until it is known what came of it."""
    counted = () if pace.terms.calls is None else (asked_at,)
    kept = tuple(call for call in before.calls if abs(asked_at - call) <= pace.terms.per)
    rest = max(FIRST_REST, pace.share)
    return replace(before, asked_at=asked_at, left_until=asked_at + rest, calls=(*kept, *counted))


def answered(before: Asked, pace: Pace, asked_at: datetime, gave: tuple[str, ...], at: datetime) -> Asked:
    """Return what is remembered once there was an answer.

    Args:
        before: what was remembered since it was ``begun``.
        pace: how fast it may be asked.
        asked_at: when it was asked, aware.
        gave: what was in the answer.
        at: when the answer came.
    """
    return Asked(asked_at, at, gave, failures=0, left_until=asked_at + pace.every, calls=before.calls)


def failed(
    before: Asked, pace: Pace, asked_at: datetime, reason: str, at: datetime, rest: timedelta
) -> Asked:
    """Return what is remembered once there was no answer.

    Args:
        before: what was remembered since it was ``begun``.
        pace: how fast it may be asked.
        asked_at: when it was asked, aware.
        reason: why there was none.
        at: when that was known.
        rest: how long to leave it alone from then on.
    """
    return replace(
        before,
        asked_at=asked_at,
        failures=before.failures + 1,
        left_until=max(at + rest, asked_at + pace.share),
        reason=" ".join(reason.split())[:LONGEST_REASON],
    )


def rest_after_failure(pace: Pace, failures: int, chance: float) -> timedelta:
    """Return how long to rest after so many failures in a row: an exponential back-off.

    Args:
        pace: how fast it may be asked.
        failures: in a row, the last one included; 1 or more.
        chance: from 0 to 1; 0 gives the whole rest, 1 the half of it.
    """
    first = min(FIRST_REST, pace.every)
    doublings = min(max(failures - 1, 0), 20)  # 2^20 s is far beyond the longest
    whole = min(first * float(2**doublings), pace.longest)
    return whole * (1 - chance / 2)


def rest_after_refusal(pace: Pace, failures: int, chance: float) -> timedelta:
    """Return how long to rest after a no, which is the last of so many failures in a row.

    Args:
        pace: how fast it may be asked.
        failures: in a row, the last one included; 1 or more.
        chance: from 0 to 1; 0 gives the whole rest, 1 a tenth more.
    """
    if not pace.terms.every:
        return min(REFUSED_REST, pace.longest)
    return _spread(min(REFUSED_REST * float(2 ** min(max(failures - 1, 0), 20)), LONGEST_WORD), chance)


def rest_as_told(retry_after: timedelta | None, pace: Pace, failures: int, chance: float) -> timedelta:
    """Return how long a provider asked for, and a little longer; a back-off where it does not say."""
    if retry_after is None or retry_after <= timedelta():
        return rest_after_failure(pace, failures, chance)
    return _spread(min(retry_after, LONGEST_WORD), chance)


def _spread(rest: timedelta, chance: float) -> timedelta:
    return rest * (1 + SPREAD * chance)


def told_to_wait(before: Asked, until: datetime, reason: str) -> Asked:
    """Return a question's memory once its provider, asked something else, wanted to be left alone."""
    if before.left_until is not None and before.left_until >= until:
        return before
    return replace(before, left_until=until, reason=" ".join(reason.split())[:LONGEST_REASON])


def merged(mine: Asked, theirs: Asked) -> Asked:
    """Return what two processes that ask beside each other know of one question together.

    Of what became of it the later asking counts, mine where they are equal. All calls count, and so does the
    longer rest that the other was told (``reason``) and that is not over.
    """
    newer, other = (theirs, mine) if _asked(theirs) > _asked(mine) else (mine, theirs)
    calls = sorted(call for call in {*newer.calls, *other.calls} if _counts(call, newer))
    if not _still_rests(other, newer):
        return replace(newer, calls=tuple(calls))
    return replace(newer, left_until=other.left_until, reason=other.reason, calls=tuple(calls))


def is_ahead(stored: Asked, mine: Asked) -> bool:
    """Whether a stored memory is from the future: nobody asks for an hour while another asks once."""
    return mine.asked_at is not None and _asked(stored) - mine.asked_at > CLOSE


def _asked(asked: Asked) -> datetime:
    return asked.asked_at or datetime.min.replace(tzinfo=UTC)


def _counts(call: datetime, newer: Asked) -> bool:
    """Whether a call is not long past: those that count no longer were forgotten by whoever asked last."""
    if newer.asked_at is None:
        return True
    return newer.asked_at - call <= max(CLOSE, newer.asked_at - min(newer.calls, default=newer.asked_at))


def _still_rests(other: Asked, newer: Asked) -> bool:
    """Whether the one was told to wait for longer than the other, and for no longer than anybody is."""
    if other.reason is None or other.left_until is None:
        return False
    if newer.left_until is not None and other.left_until <= newer.left_until:
        return False
    longest = LONGEST_WORD * (1 + SPREAD)
    return newer.asked_at is None or timedelta() < other.left_until - newer.asked_at <= longest


def may_be_asked(asked: Asked, pace: Pace, now: datetime) -> bool:
    """Whether a question has rested for long enough."""
    if asked.left_until is None or now >= asked.left_until:
        return True
    # No rest is longer than this: a clock that was ahead has written it.
    return asked.left_until - now > max(pace.every, LONGEST_WORD * (1 + SPREAD))


def has_room(calls: Iterable[datetime], terms: Terms, now: datetime, share: float = 1.0) -> bool:
    """Whether one more call is within a provider's terms.

    Args:
        calls: all that were made to it, of whatever question.
        terms: the provider's.
        now: when the call would be made.
        share: how much of its calls may be used up, above 0 and up to 1.
    """
    if terms.calls is None:
        return True
    # On both sides, since a clock that was wrong left calls ahead; but not for ever.
    counted = sum(abs(now - call) <= terms.per for call in calls)
    return counted < max(int(terms.calls * share), 1)
