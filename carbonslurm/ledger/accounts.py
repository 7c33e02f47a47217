"""The ledger as carbon-sacct opens it: runs, their steps and their sums, and no more.

Its answers are worked out by the database. Whatever else a reader may ask for needs numpy, which takes longer
to import than all runs of a job take to be read.
"""

from carbonslurm.ledger.opening import Opened
from carbonslurm.ledger.reports import Reports
from carbonslurm.ledger.steps import StepReader
from carbonslurm.ledger.sums import Sums


class Accounts(Opened, Reports, StepReader, Sums):
    """A ledger that cannot be written: LedgerReader and SumReader of ``ports``."""
