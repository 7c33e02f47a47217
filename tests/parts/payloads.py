"""Payloads for the readings: a good answer, damaged.

The ``number``-th payload of a good answer is always the same, so that a failure can be played again. Most are
damaged in their structure (a value of another type, null, huge or not a number; a part lost, repeated,
swapped with another, renamed, or nested a hundred deep), some in their bytes. What is not JSON is damaged in
its bytes alone.
"""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

Place = tuple[Any, Any]  # a list or object, and the index or key of what stands in it
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    0.5,
    5001,
    1e300,
    -1e300,
    float("nan"),
    float("inf"),
    2**31,
    2**63,
    -(2**63),
    10**40,
    "",
    "0",
    "120",
    "-5",
    "nan",
    "1e999",
    "x",
    "2026-11-22",
    "2026-11-22T10:00",
    "2026-11-22T10:00Z",
    "2026-11-22T10:30:00+00:00",
    "2026-11-22T11:15:00.000Z",
    "0001-01-01T00:00+14:00",
    "9999-12-31T23:59-14:00",
    "00:15:00",
    "99999999.23:59:59",
    "\x1b[31mred\n",
    "\ud800",
    "\u00b2",
    "x" * 10_000,
    [],
    {},
    [None],
    {"error": "no"},
)
TOKENS = (
    b"null",
    b"NaN",
    b"Infinity",
    b"1e999",
    b"-0",
    b"9" * 400,
    b"[" * 2000,
    b'{"a":' * 2000,
    b"\xff",
    b"\x00",
)


def payload(good: bytes, number: int) -> bytes:
    """Return the ``number``-th damaged answer."""
    dice = random.Random(number)  # noqa: S311 - damage, not secrets
    if dice.random() < 0.1 or not good.startswith((b"{", b"[")):
        return _bytes(good, dice)
    # A list around the answer, so that the answer itself has a place that can be damaged.
    whole = [json.loads(good)]
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        places = list(_places(whole))
        if not places:
            break
        dice.choice(DAMAGES)(dice.choice(places), places, dice)
    return json.dumps(whole[0] if whole else None).encode()


def _places(node: Any) -> Iterator[Place]:
    keys = node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _places(node[key])


def _odd(place: Place, _places: list[Place], dice: random.Random) -> None:
    place[0][place[1]] = dice.choice(ODD)


def _moved(place: Place, _places: list[Place], dice: random.Random) -> None:
    """Move a number a little, or a lot; a text loses or doubles a part."""
    holder, key = place
    value = holder[key]
    if isinstance(value, int | float) and not isinstance(value, bool):
        moves = (
            value + 1,
            value - 1,
            -value,
            value * 1000,
            value + 900,
            value + 3600,
            value + 0.5,
            str(value),
        )
        holder[key] = dice.choice(moves)
    elif isinstance(value, str) and value:
        cut = dice.randrange(len(value))
        holder[key] = dice.choice((value[:cut], value[cut:], value[:cut] + value, value.upper(), value + "Z"))


def _lost(place: Place, _places: list[Place], _dice: random.Random) -> None:
    del place[0][place[1]]


def _copied(place: Place, places: list[Place], dice: random.Random) -> None:
    """Put a copy of another part here, or beside it in a list."""
    holder, key = place
    other, where = dice.choice(places)
    part = json.loads(json.dumps(other[where]))
    if isinstance(holder, list) and dice.random() < 0.5:
        holder.insert(key, part)
    else:
        holder[key] = part


def _repeated(place: Place, _places: list[Place], dice: random.Random) -> None:
    holder, key = place
    if isinstance(holder, list):
        holder.insert(dice.randrange(len(holder) + 1), json.loads(json.dumps(holder[key])))


def _listed(place: Place, _places: list[Place], dice: random.Random) -> None:
    """Turn a list around, shuffle it, or cut it off."""
    value = place[0][place[1]]
    if isinstance(value, list) and value:
        how = dice.randrange(3)
        if how == 0:
            value.reverse()
        elif how == 1:
            dice.shuffle(value)
        else:
            del value[dice.randrange(len(value)) :]


def _renamed(place: Place, _places: list[Place], dice: random.Random) -> None:
    holder, key = place
    if isinstance(holder, dict):
        name = dice.choice((key.upper(), key + "x", "", "error", "\ud800"))
        holder[name] = holder.pop(key)


def _nested(place: Place, _places: list[Place], dice: random.Random) -> None:
    holder, key = place
    inner = holder[key]
    for _ in range(dice.choice((1, 1, 2, 100))):
        inner = [inner] if dice.random() < 0.5 else {"data": inner}
    holder[key] = inner


Damage = Callable[[Place, list[Place], random.Random], None]
DAMAGES: tuple[Damage, ...] = (
    _odd,
    _odd,
    _moved,
    _moved,
    _lost,
    _copied,
    _repeated,
    _listed,
    _renamed,
    _nested,
)


def _bytes(good: bytes, dice: random.Random) -> bytes:
    left, right = sorted((dice.randrange(len(good) + 1), dice.randrange(len(good) + 1)))
    match dice.randrange(5):
        case 0:
            return good[:left]
        case 1:
            return good[:left] + good[right:]
        case 2:
            return good[:right] + good[left:]
        case 3:
            return good[:left] + dice.choice(TOKENS) + good[left:]
        case _:
            return good[:left] + dice.randbytes(dice.randrange(1, 5)) + good[left:]
