"""carbonslurm: Slurm clusters run flexible GPU work when electricity is clean.

The house (docs/adr/0001-house.md): ``core`` decides and is pure, ``app`` tells the use cases over the
Protocols of ``ports``, the adapters (``slurm``, ``carbon``, ``energy``, ``ledger``, ``sim``) act, ``wiring``
joins them, and ``daemon``, ``cli``, ``monitor`` and ``sandbox`` stand on top. Importing this package does
nothing; ``CarbonMonitor``, for people who write Python, is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carbonslurm.monitor import CarbonMonitor

__all__ = ["CarbonMonitor", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name == "CarbonMonitor":
        return import_module("carbonslurm.monitor").CarbonMonitor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
