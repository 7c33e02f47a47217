"""The search for prices: what it leaves out, and what it writes over, changes no price."""

from dataclasses import replace

import numpy as np
import pytest

from carbonslurm.core.crowd import Crowd
from carbonslurm.core.patience import Shape, patience
from carbonslurm.core.prices import Market, Search, settle

SHAPE = Shape(slack=6, rest=5)
SLOTS = 40


def crowd(seed: int, kinds: int, count: int = 60) -> Crowd:
    draw = np.random.default_rng(seed)
    return Crowd(
        kind=draw.integers(0, kinds, count),
        runs=draw.integers(0, 2, count),
        slack=draw.uniform(0, 9, count),
        rest=draw.uniform(0.1, 8, count),
        units=draw.uniform(0.5, 4, count),
    )


def market(seed: int, kinds: int = 2, inflow: float = 0.0) -> Market:
    """A pool of forty units for which sixty jobs are too many at once."""
    draw = np.random.default_rng(seed + 1000)
    intensity = draw.uniform(50, 400, SLOTS)
    comes = np.full((kinds, 2, SHAPE.slack + 1, SHAPE.rest + 1), inflow)
    stop = np.array([30.0, np.inf])[:kinds]
    beyond = float(intensity.mean())
    return Market(intensity, 0.7, stop, SHAPE, 40.0, crowd(seed, kinds), comes, beyond)


class EverySlot(Market):
    """The same pool, searched in every slot that the forecast has."""

    @property
    def near(self) -> int:
        return len(self.intensity)


def in_every_slot(given: Market) -> Market:
    return EverySlot(**{name: getattr(given, name) for name in given.__dataclass_fields__})


@pytest.mark.parametrize("kinds", [1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_slots_that_nobody_can_reach_are_left_out_and_change_no_price(seed: int, kinds: int) -> None:
    given = market(seed, kinds)
    last = np.random.default_rng(seed).uniform(0, 50, SLOTS)
    for begin in (np.zeros(SLOTS), last):
        found = settle(given, begin, Search())
        assert given.near == 1 + SHAPE.slack + SHAPE.rest < SLOTS
        assert found[: given.near].any()
        np.testing.assert_array_equal(found, settle(in_every_slot(given), begin, Search()))


def test_where_somebody_may_come_every_slot_is_looked_at() -> None:
    given = market(1, inflow=0.5)
    assert given.near == SLOTS
    assert settle(given, np.zeros(SLOTS), Search())[-10:].any()


def test_a_table_that_is_written_over_another_is_the_same() -> None:
    given, other = market(2), market(3)
    used = other.table(np.zeros(SLOTS))
    price = given.intensity
    anew = patience(price, 0.7, given.stop, SHAPE, given.beyond)
    over = patience(price, 0.7, given.stop, SHAPE, given.beyond, used)
    assert over.worth is used.worth
    np.testing.assert_array_equal(anew.worth[1:], over.worth[1:])
    np.testing.assert_array_equal(anew.advantage[1:], over.advantage[1:])


def test_a_pool_without_a_limit_has_no_prices() -> None:
    given = replace(market(4), units=np.inf)
    assert not settle(given, np.ones(SLOTS), Search()).any()
