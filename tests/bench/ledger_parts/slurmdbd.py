"""The same runs in a slurmdbd of our own, so that sacct can be asked what carbon-sacct is asked.

They are written straight into the tables of that slurmdbd's private MariaDB, by LOAD DATA: no other way is
quick, and nobody's cluster is touched. Each run gets the step that a batch job has (``-X`` leaves those out).
sacct itself only asks: slurmdbd and MariaDB do the work, so their CPU time is counted with its own.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger_parts.records import (
    ACCOUNTS,
    FIRST_UID,
    LIMIT_MINUTES,
    USERS,
    Record,
    account_name,
    records,
    user_name,
)

from carbonslurm.sandbox import Sandbox, SandboxSpec, up
from carbonslurm.sandbox.layout import Layout

TICKS = os.sysconf("SC_CLK_TCK")
DATABASE = "slurm_acct_db"
STATES = {"COMPLETED": 3, "CANCELLED by 1000": 4, "FAILED": 5, "TIMEOUT": 6, "NODE_FAIL": 7}
BATCH_STEP = -5
MEGABYTES = 64 * 1024
# Of tres_table in a sandbox of one GPU type.
CPU, MEMORY, NODE, BILLING, GPU, A100 = 1, 2, 4, 5, 1001, 1002
NOTHING = ("id_resv", "id_wckey", "het_job_id", "het_job_offset", "state_reason_prev")


@dataclass(frozen=True, slots=True)
class Slurmdbd:
    """One that is up."""

    sandbox: Sandbox

    def environment(self) -> dict[str, str]:
        """What makes sacct ask this one."""
        return {**os.environ, **self.sandbox.environment()}

    def output(self, *words: str) -> Sequence[str]:
        """Return the lines that a command prints."""
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=self.environment())
        return done.stdout.splitlines()

    def processor(self) -> float:
        """Return the seconds of CPU time that slurmdbd and MariaDB have taken."""
        mine = [it.pid for it in self.sandbox.status() if it.daemon in {"slurmdbd", "mariadbd"} and it.pid]
        return sum(_processor(pid) for pid in mine)

    def fill(self, count: int) -> None:
        """Write users, accounts and so many runs."""
        self._know_users()
        users = f"SELECT user, id_assoc FROM {self._table('assoc')} WHERE user <> ''"  # noqa: S608  # ours
        numbers = dict(line.split("\t") for line in self._sql(users))
        self._load("job", (_run(it, numbers[user_name(it.user)]) for it in records(count)))
        self._load("step", map(_step, records(count)))

    def _know_users(self) -> None:
        names = ",".join(account_name(number) for number in range(ACCOUNTS))
        self.sandbox.run(["sacctmgr", "-i", "add", "account", names])
        lines = []
        for number in range(ACCOUNTS):
            users = ",".join(user_name(user) for user in range(number, USERS, ACCOUNTS))
            lines.append(f"add user name={users} account={account_name(number)}")
        self.sandbox.run(["sacctmgr", "-i"], input="\n".join([*lines, "quit", ""]), timeout=600)

    def _load(self, table: str, rows: Iterable[Mapping[str, object]]) -> None:
        with tempfile.NamedTemporaryFile("w", prefix="bench-") as file:
            columns: list[str] = []
            for row in rows:
                columns = columns or [f"`{name}`" for name in row]
                file.write("\t".join(map(str, row.values())) + "\n")
            file.flush()
            into = f"INTO TABLE {self._table(table)} ({', '.join(columns)})"
            self._sql(f"LOAD DATA LOCAL INFILE '{file.name}' {into}")

    def _table(self, name: str) -> str:
        return f"{self.sandbox.cluster}_{name}_table"

    def _sql(self, statement: str) -> Sequence[str]:
        socket = Layout(self.sandbox.directory).database_socket
        words = ["mariadb", "--no-defaults", f"--socket={socket}", "--local-infile=1", "-N", "-B", DATABASE]
        done = subprocess.run([*words, "-e", statement], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()


@contextmanager
def slurmdbd(folder: Path) -> Iterator[Slurmdbd]:
    """Bring one up, and down again."""
    sandbox = up(SandboxSpec(folder, nodes=1))
    try:
        yield Slurmdbd(sandbox)
    finally:
        sandbox.down()


def _run(it: Record, association: str) -> dict[str, object]:
    tres = _tres(it) | {BILLING: 8} | ({GPU: it.gpus, A100: it.gpus} if it.gpus else {})
    return {
        "job_db_inx": it.job_id,
        "id_job": it.job_id,
        "id_assoc": association,
        "id_user": FIRST_UID + it.user,
        "id_group": FIRST_UID + it.user,
        "account": account_name(it.account),
        "admin_comment": it.tag,
        "job_name": "bench",
        "id_qos": 1,
        "partition": it.partition,
        "state": STATES[it.state],
        "timelimit": LIMIT_MINUTES,
        "time_submit": it.submit,
        "time_eligible": it.submit,
        "time_start": it.start,
        "time_end": it.end,
        "cpus_req": it.cpus,
        "nodelist": "n1",
        "node_inx": "0",
        "nodes_alloc": 1,
        "tres_alloc": _text(tres),
        "tres_req": _text(tres),
        "priority": 1,
        **dict.fromkeys(NOTHING, 0),
    }


def _step(it: Record) -> dict[str, object]:
    return {
        "job_db_inx": it.job_id,
        "id_step": BATCH_STEP,
        "step_name": "batch",
        "state": STATES[it.state],
        "time_start": it.start,
        "time_end": it.end,
        "task_cnt": 1,
        "nodelist": "n1",
        "node_inx": "0",
        "nodes_alloc": 1,
        "tres_alloc": _text(_tres(it)),
    }


def _tres(it: Record) -> dict[int, int]:
    return {CPU: it.cpus, MEMORY: MEGABYTES, NODE: 1}


def _text(tres: Mapping[int, int]) -> str:
    return ",".join(f"{number}={count}" for number, count in tres.items())


def _processor(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
