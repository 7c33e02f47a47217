"""Every conversion of units, each with both units in its name.

Inside carbonslurm there is one unit for each quantity: g/kWh (grams of CO2 equivalent), W, kWh, g, and
``timedelta`` for durations. Whatever comes in otherwise is converted here, once.
"""

from datetime import timedelta

GRAMS_PER_POUND = 453.59237  # exact: the international pound (1959), NIST SP 811 appendix B.8
JOULES_PER_KWH = 3_600_000  # exact: 1000 W x 3600 s


def g_per_kwh_from_lb_per_mwh(value: float) -> float:
    """Return g/kWh for pounds per MWh, WattTime's unit."""
    return value * GRAMS_PER_POUND / 1000


def kwh_from_joules(joules: float) -> float:
    """Return kWh for joules, the unit of Slurm's ConsumedEnergyRaw."""
    return joules / JOULES_PER_KWH


def kwh_from_watts(watts: float, duration: timedelta) -> float:
    """Return the kWh that a constant power in W takes over a duration."""
    return watts / 1000 * (duration / timedelta(hours=1))
