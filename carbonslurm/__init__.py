"""carbonslurm: Slurm clusters run flexible GPU work when electricity is clean.

The house (docs/adr/0001-house.md): ``core`` decides and is pure, ``app`` tells the use cases over the
Protocols of ``ports``, the adapters (``slurm``, ``carbon``, ``energy``, ``ledger``, ``sim``) act, ``wiring``
joins them, and ``daemon``, ``cli`` and ``sandbox`` stand on top. Importing this package does nothing.
"""

__version__ = "0.1.0"
