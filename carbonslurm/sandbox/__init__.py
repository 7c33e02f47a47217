"""A private Slurm in a folder: up, load, down. Importing this does nothing; see cluster.py for the story."""

from carbonslurm.sandbox.cluster import Sandbox, load
from carbonslurm.sandbox.founding import up
from carbonslurm.sandbox.processes import DaemonStatus
from carbonslurm.sandbox.spec import SandboxSpec
from carbonslurm.sandbox.waiting import wait_until

__all__ = ["DaemonStatus", "Sandbox", "SandboxSpec", "load", "up", "wait_until"]
