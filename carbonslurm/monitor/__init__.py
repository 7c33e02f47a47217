"""The grid for people who write Python: ``from carbonslurm import CarbonMonitor``.

It stands on top, beside the commands, and joins what others do: the ledger where a configuration names one,
providers without a key otherwise.
"""

from carbonslurm.monitor.monitor import CarbonMonitor
from carbonslurm.monitor.values import BestWindow, Current, Curve, MixOfNow, Point

__all__ = ["BestWindow", "CarbonMonitor", "Current", "Curve", "MixOfNow", "Point"]
