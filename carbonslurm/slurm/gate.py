"""The gate: flexible jobs carry a licence, and while a reservation takes it away none of them starts.

One change of state serves all jobs, and they keep their age. The reservation ends a few minutes ahead and is
moved on in each cycle, so that the gate opens by itself when everything of ours dies. The owner's way out is
``scontrol update JobId=N Licenses=`` (with what else it needs); at its bound we do the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from carbonslurm.core.means import GateRules
from carbonslurm.errors import RefusedError
from carbonslurm.formats.gate import licence_argv, why_unfit
from carbonslurm.formats.scontrol import (
    config_argv,
    licences_argv,
    reserve_argv,
    shut_argv,
    unreserve_argv,
)
from carbonslurm.ports import Setting
from carbonslurm.slurm.telling import tell
from carbonslurm.slurm.wire import Wire

RESERVATION = "carbonslurm_gate"
LOOK_AGAIN = timedelta(hours=1)  # a site may change its settings, or its Slurm, under us
UNKNOWN = "reservation is invalid"  # all versions: there is none of this name


def look_for_harm(wire: Wire, rules: GateRules) -> None:
    """See whether this Slurm suits a gate.

    Raises:
        RefusedError: it does not, with the reason.
        UnavailableError: Slurm is away.
    """
    settings = wire.read(config_argv()).text
    shown = wire.ask(licence_argv(rules.licence))
    reason = why_unfit(settings, shown.text if shown.returncode == 0 else "", rules)
    if reason is not None:
        raise RefusedError(reason)


@dataclass(slots=True)
class SlurmGate:
    """ports.Gate by a reservation of licences.

    Attributes:
        user: who may use what is reserved; our own account, which submits nothing.
    """

    wire: Wire
    rules: GateRules
    user: str
    _fit_until: datetime | None = None

    def shut(self, until: datetime) -> None:
        """Move the reservation's end, or make the reservation where there is none.

        Raises:
            RefusedError: a gate would do harm at this Slurm, or Slurm says no.
        """
        if self._fit_until is None or until > self._fit_until:
            look_for_harm(self.wire, self.rules)
            self._fit_until = until + LOOK_AGAIN
        licences = f"{self.rules.licence}:{self.rules.count - self.rules.keep_open}"
        try:
            self.wire.read(shut_argv(RESERVATION, licences, until))
        except RefusedError as error:
            if UNKNOWN not in str(error):
                raise
            self.wire.read(reserve_argv(RESERVATION, licences, until, self.user))

    def open(self) -> None:
        """Delete the reservation."""
        try:
            self.wire.read(unreserve_argv(RESERVATION))
        except RefusedError as error:
            if UNKNOWN not in str(error):
                raise


@dataclass(frozen=True, slots=True)
class GateActuator:
    """ports.Actuator by the licence of single jobs: for those that the gate must not keep any longer."""

    wire: Wire
    licence: str

    def withhold(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Give jobs the licence beside their others."""
        wanted = ",".join(filter(None, [setting.other_licences, f"{self.licence}:1"]))
        return tell(self.wire, specs, lambda batch: licences_argv(batch, wanted))

    def release(self, specs: Sequence[str], setting: Setting) -> Mapping[str, str | None]:
        """Leave jobs only their other licences."""
        return tell(
            self.wire, specs, lambda batch: licences_argv(batch, setting.other_licences, setting.site_factor)
        )
