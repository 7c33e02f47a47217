"""The configuration of a sandbox's daemons, as pure functions from facts to text.

The settings that matter to carbonslurm: limits are enforced (so that a changed begin time resets the age of a
job, as on most sites), priority is multifactor, GPUs are counted by type, requeue is on, and the scheduler
looks every second or two, so that a job starts soon after it may. Jobs in partition low give way to all
others; there is a licence, and scrontab where Slurm was built with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carbonslurm.sandbox.layout import Layout
    from carbonslurm.sandbox.loopback import Loopback
    from carbonslurm.sandbox.spec import SandboxSpec

REQUEUE_EXIT_CODE = 85
"""A batch script that exits with this code is put back into the queue."""

MEMORY_PER_CPU_MB = 4000

_SLURM_CONF = """\
ClusterName={cluster}
SlurmctldHost={host}({address})
SlurmUser={owner}
SlurmdUser={owner}
SlurmctldPort={slurmctld_port}
SlurmctldPidFile={run}/slurmctld.own-pid
SlurmdPidFile={run}/slurmd-%n.own-pid
SlurmctldLogFile={log}/slurmctld.log
SlurmdLogFile={log}/slurmd-%n.log
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool/%n
AuthType=auth/munge
# Slurm holds a requeued job back for cred_expire seconds (120 by default): a sandbox need not wait that long.
AuthInfo=socket={munge_socket},cred_expire=10
{communication}MailProg=/bin/true

ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldTimeout=60
SlurmdTimeout=30
InactiveLimit=0
KillWait=5
MinJobAge=300
JobRequeue=1
RequeueExit={requeue_exit}

SchedulerType=sched/backfill
SchedulerParameters={scheduler}
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=1000
PriorityType=priority/multifactor
PriorityDecayHalfLife=7-0
PriorityCalcPeriod=1
PriorityMaxAge=1-0
PriorityWeightAge=100000
PriorityWeightFairshare=1000
PriorityWeightPartition=1000
PriorityWeightQOS=1000

PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ScronParameters=enable
Licenses=app:8,carbon:100000

AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={address}
AccountingStoragePort={slurmdbd_port}
AccountingStoragePass={munge_socket}
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES={tres}
{hook}
{nodes}
PartitionName=main Nodes=ALL Default=YES DefaultTime=10 MaxTime=1-00:00:00 State=UP
PartitionName=debug Nodes=ALL DefaultTime=1 MaxTime=30 PriorityJobFactor=10 State=UP
PartitionName=low Nodes=ALL DefaultTime=10 MaxTime=UNLIMITED PriorityTier=0 PreemptMode=REQUEUE State=UP
"""

_SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={munge_socket}
DbdHost=localhost
DbdAddr={address}
DbdPort={port}
SlurmUser={owner}
LogFile={log}/slurmdbd.log
PidFile={run}/slurmdbd.own-pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser={owner}
StorageLoc=slurm_acct_db
{communication}"""

_SCHEDULER = (
    "sched_interval=1,batch_sched_delay=0,bf_interval=2,bf_continue,bf_yield_interval=1000000,"
    "bf_resolution=60,bf_window=1440,default_queue_depth=1000,bf_max_job_test=1000"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the texts are made from."""

    spec: SandboxSpec
    layout: Layout
    cluster: str
    owner: str
    loopback: Loopback
    version: tuple[int, ...]
    ports: tuple[int, ...]
    """slurmctld's, slurmdbd's, then one per node."""
    devices: tuple[str, ...]
    hook: bool

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the virtual nodes."""
        return tuple(f"n{number}" for number in range(1, self.spec.nodes + 1))


def slurm_conf(facts: Facts) -> str:
    """The text of slurm.conf."""
    text = _SLURM_CONF.format(
        cluster=facts.cluster,
        host=facts.loopback.host,
        address=facts.loopback.address,
        owner=facts.owner,
        slurmctld_port=facts.ports[0],
        slurmdbd_port=facts.ports[1],
        run=facts.layout.directory / "run",
        log=facts.layout.log,
        directory=facts.layout.directory,
        munge_socket=facts.layout.munge_socket,
        communication=_communication(facts),
        requeue_exit=REQUEUE_EXIT_CODE,
        scheduler=_SCHEDULER + (",requeue_delay=10" if facts.version >= (25, 11) else ""),
        tres=f"gres/gpu,gres/gpu:{facts.spec.gpu_type}" if facts.devices else "cpu",
        hook="JobSubmitPlugins=lua\n" if facts.hook else "",
        nodes=_node_lines(facts),
    )
    return _with_settings(text, facts.spec.settings)


def _with_settings(text: str, settings: Mapping[str, str]) -> str:
    """Put settings in the place of lines of that name, and those that have none before the nodes."""
    for name, value in settings.items():
        line = f"{name}={value}"
        old = re.search(rf"^{name}=.*$", text, re.MULTILINE)
        text = text.replace(*(old.group(), line) if old else ("GresTypes=", f"{line}\nGresTypes="), 1)
    return text


def _communication(facts: Facts) -> str:
    # slurmdbd of 24.11 refuses the word without a value.
    return "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny\n" if facts.loopback.private else ""


def _node_lines(facts: Facts) -> str:
    spec = facts.spec
    size = f"CPUs={spec.cpus_per_node} RealMemory={spec.cpus_per_node * MEMORY_PER_CPU_MB}"
    gres = f" Gres=gpu:{spec.gpu_type}:{spec.gpus_per_node}" if facts.devices else ""
    place = f"NodeHostname={facts.loopback.host} NodeAddr={facts.loopback.address}"
    lines = [
        f"NodeName={name} {place} Port={port} {size}{gres} State=UNKNOWN"
        for name, port in zip(facts.nodes, facts.ports[2:], strict=True)
    ]
    return "\n".join(["GresTypes=gpu", *lines])


def gres_conf(facts: Facts) -> str:
    """The text of gres.conf: slurmd wants a character device for each GPU, and any will do."""
    names = ",".join(facts.nodes)
    return "".join(
        f"NodeName={names} Name=gpu Type={facts.spec.gpu_type} File={device}\n" for device in facts.devices
    )


def slurmdbd_conf(facts: Facts) -> str:
    """The text of slurmdbd.conf."""
    return _SLURMDBD_CONF.format(
        munge_socket=facts.layout.munge_socket,
        address=facts.loopback.address,
        port=facts.ports[1],
        owner=facts.owner,
        log=facts.layout.log,
        run=facts.layout.directory / "run",
        communication=_communication(facts),
    )


def configuration(facts: Facts) -> dict[str, str]:
    """File name in DIR/etc -> text."""
    files = {
        "slurm.conf": slurm_conf(facts),
        "slurmdbd.conf": slurmdbd_conf(facts),
        "gres.conf": gres_conf(facts),
    }
    # slurmd looks for cgroups even where no plugin asked for them, and ends where none are mounted. 22.05
    # does not know the word "disabled", but where v1 is named it looks at nothing before it is used.
    disabled = facts.version >= (24,)
    files["cgroup.conf"] = f"CgroupPlugin={'disabled' if disabled else 'cgroup/v1'}\n"
    return files


def wrapper(program: str, layout: Layout, *, rooted: bool) -> str:
    """A shell script that runs one of Slurm's commands against this sandbox."""
    enter = f"{layout.enter} " if rooted else ""
    return f'#!/bin/sh\nSLURM_CONF={layout.slurm_conf}\nexport SLURM_CONF\nexec {enter}{program} "$@"\n'


_ENTER = """\
#!/bin/sh
# Runs a command in {root} with its own view of the mounts, which end with the process: nothing to take away.
# A job is in there already, and from there {root} is not seen.
[ -e {root}/bin/sh ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
    set -- unshare --mount --propagation private /bin/sh {enter}.inside "$PWD" "$@"
else
    set -- unshare --user --map-current-user --keep-caps --mount --propagation private \\
        /bin/sh {enter}.inside "$PWD" "$@"
fi
exec "$@"
"""

_INSIDE = """\
set -e
PATH=$PATH:/usr/sbin:/sbin
for folder in proc dev sys; do
    mount --rbind /$folder {root}/$folder
done
mount --bind {directory} {root}{directory}
if [ -e {root}/etc/hosts ]; then
    mount --bind /etc/hosts {root}/etc/hosts
fi
exec chroot {root} /bin/sh -c 'cd "$0" 2>/dev/null || cd {work}; exec "$@"' "$@"
"""


def enter_scripts(layout: Layout, root: str) -> dict[str, str]:
    """File name in DIR/etc -> text of the two scripts that run a command inside the root folder."""
    words = {"root": root, "enter": layout.enter, "directory": layout.directory, "work": layout.work}
    return {"enter": _ENTER.format(**words), "enter.inside": _INSIDE.format(**words)}
