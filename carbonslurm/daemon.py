"""The service: the use cases at their intervals, until SIGTERM.

APScheduler runs each use case in its own small thread, never twice at once, and a late run still runs (its
default drops runs that are over a second late). The cycle and the step of the stops share one lock, so that
Slurm and the ledger never see two of our hands at the same job. systemd hears READY once the first cycle ran,
and WATCHDOG only while cycles come to their end (docs/install.md): a cycle that hangs gets the daemon
restarted, which harms no job.

The sources are asked beside the cycles from the first moment on (``app.starting``).

One daemon acts on a cluster by a ledger. Another one waits for its lease without opening the ledger, and
takes over within a cycle when it is free. Each task asks for the lease anew, and so does each transaction.
"""

import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from carbonslurm import wiring
from carbonslurm.app.cycle import Cycle
from carbonslurm.app.starting import Start
from carbonslurm.app.stopping import Stopping
from carbonslurm.app.supply import Supply, never
from carbonslurm.app.telling import Memory
from carbonslurm.app.turn import Turn
from carbonslurm.app.vanished import Vanished
from carbonslurm.config import Config
from carbonslurm.errors import CarbonslurmError, UnavailableError
from carbonslurm.ledger.writing import Ledger
from carbonslurm.ports import CycleReport, Lease

logger = logging.getLogger(__name__)

HEARTBEAT = timedelta(seconds=10)
# A cycle may be late by some calls that ran into their timeout before it counts as hung.
HUNG_CYCLES = 3
HUNG_CALLS = 10
NEW_VALUES = 50_000  # before Python looks for rings of garbage among them


@dataclass(slots=True)
class Daemon:
    """The use cases of one cluster, at hand for the scheduler and for ``once``.

    Attributes:
        config: what the site wants.
        book: the ledger, open for writing.
        cycling: the parts of a cycle.
        stopping: the parts of the step of the stops.
        supply: what keeps the archive supplied with forecasts.
        turn: whether we are the one to act.
        last_cycle: when a cycle last came to its end, well or not; or when the first one was wanted.
        vanished: what accounting has asked for that left sacct's window without an end.
    """

    config: Config
    book: Ledger
    cycling: Cycle
    stopping: Stopping
    supply: Supply
    turn: Turn
    last_cycle: datetime | None = None
    hands: threading.Lock = field(default_factory=threading.Lock)
    vanished: Vanished = field(default_factory=Vanished)

    def cycle(self) -> CycleReport:
        """Run one cycle, then one step of the stops it began; nothing while another daemon acts."""
        begun = wiring.now()
        report = self._cycle()
        self.stops()
        self.last_cycle = wiring.now()
        if self.last_cycle - begun > self.config.cycle.interval:
            took = (self.last_cycle - begun).total_seconds()
            logger.warning("this cycle took %.0f s, longer than cycle.interval", took)
        return report

    def _cycle(self) -> CycleReport:
        with self.hands:
            if not self.turn.ours():
                return CycleReport(error=self.turn.waits_for)
            try:
                report = self.cycling.run()
            except CarbonslurmError as error:  # the lease was lost in the middle: nothing more is done
                report = CycleReport(error=str(error))
        _log_report(report)
        return report

    def stops(self) -> None:
        """Take the stops in flight one step further."""
        with self.hands, _logged("stops"):
            if self.turn.ours():
                self.stopping.run()

    def fetch(self) -> None:
        """Ask the sources whose turn it is, and make our own forecasts."""
        with _logged("fetch"):
            if self.turn.ours():
                self.supply.run()

    def start(self, stopped: threading.Event) -> Start:
        """Return how to begin: with the first cycle and the first round of asking."""

        def wait(length: timedelta) -> bool:
            return stopped.wait(length.total_seconds())

        return Start(self.fetch, self.cycle, self.cycling.foresees, wait)

    def reconcile(self) -> None:
        """Read sacct."""
        with _logged("reconcile"):
            if not self.turn.ours():
                return
            report = wiring.ingest(self.config, self.book, logger.warning, self.vanished).run()
            if report.runs:
                logger.info("sacct: %d runs new or changed, %d figures", report.runs, report.figures)

    def heartbeat(self) -> None:
        """Tell systemd that we live, as long as cycles come to their end."""
        patience = HUNG_CYCLES * self.config.cycle.interval + HUNG_CALLS * self.config.slurm.timeout
        if self.last_cycle is not None and wiring.now() - self.last_cycle < patience:
            notify("WATCHDOG=1")

    def everything(self) -> CycleReport:
        """Fetch, cycle, reconcile: each one time."""
        self.fetch()
        report = self.cycle()
        self.reconcile()
        return report


def wired(
    config: Config, book: Ledger, turn: Turn, *, observe: bool = False, ends: Callable[[], bool] = never
) -> Daemon:
    """Return a daemon whose hands are Slurm's own commands and the open ledger.

    Args:
        config: what the site wants.
        book: the ledger, open for writing.
        turn: whether it is the one to act.
        observe: write what would be done, and do nothing.
        ends: whether the daemon is to end.
    """
    memory = Memory()
    cycling = wiring.cycle(config, book, memory, observe=observe)
    stopping = wiring.stopping(config, book, memory)
    return Daemon(config, book, cycling, stopping, wiring.supply(config, book, ends), turn)


@contextmanager
def _logged(what: str) -> Iterator[None]:
    """Log an expected failure as one line: the next run may do better. Bugs pass, with their traceback."""
    try:
        yield
    except CarbonslurmError as error:
        logger.warning("%s: %s", what, error)


def _log_report(report: CycleReport) -> None:
    for note in report.notes:
        logger.warning("%s", note)
    if report.error:
        logger.warning("cycle failed: %s", report.error)
    else:
        counts = (report.pending, report.flexible, report.running, report.actions, report.refused)
        logger.info("cycle: %d pending (%d flexible), %d running; %d actions, %d refused", *counts)


def once(config: Config, *, observe: bool = False) -> CycleReport:
    """Fetch, cycle, reconcile: everything one time.

    Raises:
        LedgerError: the ledger cannot be opened.
        UnavailableError: another daemon acts on this cluster.
        ConfigError: jobs are to be held, by an account whose holds no rescue could end.
    """
    if not observe:
        wiring.check_holder(config)
    with _leased(config) as lease:
        if not lease.held():
            raise UnavailableError(f"{lease.holder()} acts on cluster {config.cluster} by {config.ledger}")
        with wiring.ledger(config, lease) as book:
            return wired(config, book, Turn(lease), observe=observe).everything()


def run(config: Config, *, observe: bool = False, build: Callable[..., Daemon] = wired) -> None:
    """Serve until SIGTERM or SIGINT; a cycle or a question under way comes to its end first.

    Args:
        config: what the site wants.
        observe: write what would be done, and do nothing.
        build: makes the daemon once the ledger is open, see ``wired``.

    Raises:
        LedgerError: the ledger cannot be opened.
        ConfigError: jobs are to be held, by an account whose holds no rescue could end.
    """
    if not observe:
        wiring.check_holder(config)
    collect_seldom()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with _leased(config) as lease:
        turn = Turn(lease)
        if _await_turn(turn, config.cycle.interval, stopped):
            with wiring.ledger(config, lease) as book:
                daemon = build(config, book, turn, observe=observe, ends=stopped.is_set)
                _serve(daemon, stopped, observe=observe)
    logger.info("stopped: what waits by a begin time or behind the gate starts by itself")


def collect_seldom() -> None:
    """Have Python look for rings of garbage seldom, and never among what was there when we began.

    A cycle over a long queue makes values by the hundred thousand, all in use to its end and in no rings: to
    look through them after every 700 new ones takes a quarter of the time of a plan (docs/bench.md).
    """
    gc.freeze()
    gc.set_threshold(NEW_VALUES, 10, 10)


@contextmanager
def _leased(config: Config) -> Iterator[Lease]:
    """Give the lease, taken or not, and leave it to others at the end."""
    lease = wiring.lease(config)
    try:
        yield lease
    finally:
        lease.let_go()


def _await_turn(turn: Turn, interval: timedelta, stopped: threading.Event) -> bool:
    """Wait until we are the one to act; False where we were told to end first.

    Raises:
        LedgerError: there is no telling at the first look; later ones wait for better.
    """
    turn.lease.held()
    if turn.ours():
        return True
    notify("READY=1\nSTATUS=waiting: another daemon acts")
    while not stopped.wait(min(interval / 2, HEARTBEAT).total_seconds()):
        notify("WATCHDOG=1")
        if turn.ours():
            return True
    return False


def _serve(daemon: Daemon, stopped: threading.Event, *, observe: bool) -> None:
    from apscheduler.schedulers.background import BackgroundScheduler  # noqa: PLC0415 - ``once`` needs none

    scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
    daemon.last_cycle = wiring.now()  # from now on the first one may be late
    start = daemon.start(stopped)

    def add(task: Callable[[], object], interval: timedelta, first: timedelta = timedelta()) -> None:
        scheduler.add_job(
            task,
            "interval",
            seconds=interval.total_seconds(),
            misfire_grace_time=None,
            next_run_time=wiring.now() + first,
        )

    try:
        add(daemon.heartbeat, HEARTBEAT)
        add(start.feed, wiring.between_rounds(daemon.config))
        scheduler.start()
        start.begin()
        for task, interval, first in _timetable(daemon):
            add(task, interval, first)
        notify("READY=1\nSTATUS=acting")
        logger.info("cluster %s: watching%s", daemon.config.cluster, " (observe only)" if observe else "")
        stopped.wait()
        notify("STOPPING=1")
    finally:
        if scheduler.running:
            scheduler.shutdown(wait=True)


def _timetable(daemon: Daemon) -> list[tuple[Callable[[], object], timedelta, timedelta]]:
    """Return each later task, its interval, and the delay of its first run; a cycle has just been run."""
    times = daemon.config.cycle
    return [
        (daemon.cycle, times.interval, times.interval),
        (daemon.stops, times.stop_step, times.stop_step),
        (daemon.reconcile, times.reconcile, min(times.reconcile, times.interval)),
    ]


def notify(message: str) -> None:
    """Tell systemd, where it listens ($NOTIFY_SOCKET); else nothing (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.sendto(message.encode(), address)
        except OSError as error:
            logger.warning("systemd does not listen: %s", error)
