"""The mix: shares that are shares, and what they emit."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbonslurm.core.forecast import Scope
from carbonslurm.core.interval import Interval
from carbonslurm.core.mix import DIRECT, FACTORS, LIFECYCLE, UNNAMED_LIMIT, Fuel, Mix, intensity
from carbonslurm.errors import DataError

START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = Interval(START, START + timedelta(hours=1))
amounts = st.dictionaries(st.sampled_from(Fuel), st.floats(-1e5, 1e5), max_size=12)
scopes = st.sampled_from(list(FACTORS))


def test_both_scopes_have_a_factor_for_the_same_fuels() -> None:
    assert set(LIFECYCLE) == set(DIRECT) == set(Fuel) - {Fuel.STORAGE, Fuel.IMPORTS, Fuel.OTHER}
    assert all(DIRECT[fuel] <= LIFECYCLE[fuel] for fuel in DIRECT)


def test_an_intensity_is_weighed_by_shares() -> None:
    assert intensity({Fuel.COAL: 1, Fuel.WIND: 3}, Scope.LIFECYCLE) == (820 + 3 * 11) / 4
    assert intensity({Fuel.GAS: 1, Fuel.NUCLEAR: 1}, Scope.DIRECT) == 185


def test_storage_and_own_use_count_neither_way() -> None:
    alone = {Fuel.GAS: 100.0}
    assert intensity({**alone, Fuel.STORAGE: 1000, Fuel.SOLAR: -5}, Scope.LIFECYCLE) == 490


def test_too_much_without_a_factor_is_unknown() -> None:
    assert intensity({Fuel.GAS: 90, Fuel.OTHER: 5, Fuel.IMPORTS: 5}, Scope.LIFECYCLE) == 490
    assert intensity({Fuel.GAS: 90, Fuel.OTHER: 11}, Scope.LIFECYCLE) is None
    assert intensity({Fuel.OTHER: 1}, Scope.LIFECYCLE) is None
    assert intensity({Fuel.STORAGE: 1}, Scope.LIFECYCLE) is None
    assert intensity({}, Scope.LIFECYCLE) is None


def test_what_the_limit_costs_at_most() -> None:
    """The figure in the module: a tenth of coal taken to be gas is 6 % too clean."""
    true = (1 - UNNAMED_LIMIT) * LIFECYCLE[Fuel.GAS] + UNNAMED_LIMIT * LIFECYCLE[Fuel.COAL]
    assert round(1 - LIFECYCLE[Fuel.GAS] / true, 2) == 0.06


@given(amounts, scopes)
def test_an_intensity_lies_between_its_factors(made: dict[Fuel, float], scope: Scope) -> None:
    value = intensity(made, scope)
    factors = [FACTORS[scope][fuel] for fuel, amount in made.items() if amount > 0 and fuel in FACTORS[scope]]
    if value is None:
        unnamed = sum(made.get(fuel, 0) > 0 for fuel in (Fuel.OTHER, Fuel.IMPORTS))
        assert unnamed or not factors
    else:
        assert min(factors) - 1e-9 <= value <= max(factors) + 1e-9


@given(amounts)
def test_a_mix_is_of_shares_or_refused(made: dict[Fuel, float]) -> None:
    try:
        mix = Mix.from_amounts("z", "s", HOUR, made, megawatts=True)
    except DataError:
        assert not any(amount > 0 for amount in made.values())
        return
    assert math.isclose(sum(mix.shares.values()), 1)
    assert set(mix.shares) <= {fuel for fuel, amount in made.items() if amount > 0}


@pytest.mark.parametrize("shares", [{}, {Fuel.GAS: 0.5}, {Fuel.GAS: 1.0, Fuel.WIND: 0.0}, {Fuel.GAS: 1.5}])
def test_what_is_no_share_is_refused(shares: dict[Fuel, float]) -> None:
    with pytest.raises(DataError):
        Mix("z", "s", HOUR, shares)
