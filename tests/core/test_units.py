"""Conversions of units, against the defining numbers."""

from datetime import timedelta

import pytest

from carbonslurm.core.units import g_per_kwh_from_lb_per_mwh, kwh_from_joules, kwh_from_watts


def test_a_pound_per_mwh_is_less_than_half_a_gram_per_kwh() -> None:
    assert g_per_kwh_from_lb_per_mwh(1000) == pytest.approx(453.59237)


def test_a_kwh_is_three_point_six_million_joules() -> None:
    assert kwh_from_joules(3_600_000) == 1


@pytest.mark.parametrize(
    ("watts", "duration", "kwh"),
    [
        (1000, timedelta(hours=1), 1),
        (300, timedelta(minutes=10), 0.05),
        (400, timedelta(days=2), 19.2),
        (400, timedelta(), 0),
    ],
)
def test_energy_is_power_times_all_of_the_duration(watts: float, duration: timedelta, kwh: float) -> None:
    assert kwh_from_watts(watts, duration) == pytest.approx(kwh)
