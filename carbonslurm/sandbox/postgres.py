"""A private PostgreSQL in a folder, for tests and benchmarks: fast, on loopback, thrown away with its folder.

Two roles come with it: ``carbon`` owns the databases and writes, ``reader`` may only read what carbon makes.
Over the network both need their passwords, which are in files here; the administrator is whoever reaches the
socket in the folder.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carbonslurm.errors import UnavailableError
from carbonslurm.sandbox.accounts import demotion
from carbonslurm.sandbox.loopback import free_ports
from carbonslurm.sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

ADDRESS = "127.0.0.1"
ACCOUNT = "postgres"  # Debian's; PostgreSQL refuses to run as root
_TO_END_S = 30
# It is thrown away with the folder: speed before safety from power cuts.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "32MB",
    "logging_collector": "off",
}
_ACCESS = f"local all all trust\nhost all all {ADDRESS}/32 scram-sha-256\n"


@dataclass(slots=True)
class PrivatePostgres:
    """A server of our own.

    Attributes:
        directory: its folder, which others must be able to enter; short, since a socket lies in it.
        process: None while it does not run.
    """

    directory: Path
    port: int = field(default_factory=lambda: free_ports(1, ADDRESS)[0])
    process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the folder, start the server, and make the roles.

        Raises:
            UnavailableError: PostgreSQL is not installed, or does not start.
        """
        self.directory.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(self.directory, ACCOUNT)
        words = ["--auth-local=trust", "--auth-host=scram-sha-256", "--username=admin", "--no-sync"]
        words += ["--encoding=UTF8", "--locale=C.UTF-8", f"--pgdata={self.directory / 'data'}"]
        done = subprocess.run(
            [_program("initdb"), *words], capture_output=True, text=True, check=False, **self._as()
        )
        if done.returncode != 0:
            raise UnavailableError(f"initdb: {done.stderr.strip().splitlines()[-1]}")
        (self.directory / "data" / "pg_hba.conf").write_text(_ACCESS)
        self.start()
        for role in ("carbon", "reader"):
            secret = secrets.token_hex(16)
            self.password_file(role).write_text(f"{secret}\n")
            self.password_file(role).chmod(0o644)
            self.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{secret}'")

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            UnavailableError: it ended, or does not answer.
        """
        settings = _SETTINGS | {
            "listen_addresses": ADDRESS,
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
        }
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [_program("postgres"), "-D", str(self.directory / "data"), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as(),
            )
        wait_until(self._answers, 30, "PostgreSQL to answer")

    def stop(self) -> None:
        """End it at once and in good order, whoever is connected."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash does; the next start recovers."""
        self._end(signal.SIGQUIT)

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Say something as the administrator; return the rows of the answer."""
        import psycopg  # noqa: PLC0415 - the sandbox of those who have none does not need it

        with psycopg.connect(self._own(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def database(self, name: str, template: str = "template1") -> None:
        """Make a database of carbon's, whose tables reader may read."""
        self.sql(f"CREATE DATABASE {name} OWNER carbon TEMPLATE {template}")
        self.sql(
            "ALTER DEFAULT PRIVILEGES FOR ROLE carbon IN SCHEMA public GRANT SELECT ON TABLES TO reader",
            name,
        )
        self.sql("GRANT ALL ON SCHEMA public TO carbon", name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, database: str, role: str = "carbon") -> str:
        """Return the address by which a role reaches a database."""
        return f"postgresql://{role}@{ADDRESS}:{self.port}/{database}"

    def password_file(self, role: str = "carbon") -> Path:
        """Return where a role's password is."""
        return self.directory / f"password-{role}"

    def _own(self, database: str) -> str:
        return f"host={self.directory} port={self.port} user=admin dbname={database}"

    def _answers(self) -> bool:
        import psycopg  # noqa: PLC0415

        if self.process is None or self.process.poll() is not None:
            lines = (self.directory / "log").read_text(errors="replace").splitlines()
            raise UnavailableError(f"PostgreSQL does not start: {lines[-1] if lines else ''}")
        try:
            psycopg.connect(self._own("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(_TO_END_S)
            self.process = None

    def _as(self) -> Mapping[str, Any]:
        """What subprocess takes to be no root, who is refused."""
        identity = demotion(ACCOUNT) if os.geteuid() == 0 else {}
        return {"cwd": "/", "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, **identity}


def _program(name: str) -> str:
    """Return where Debian, or a PATH, has one of the server's programs, the newest version first.

    Raises:
        UnavailableError: nowhere.
    """
    found = [path for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}") if os.access(path, os.X_OK)]
    newest = sorted(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path.parts[4])])
    program = str(newest[-1]) if newest else shutil.which(name)
    if program is None:
        raise UnavailableError(f"PostgreSQL is not installed: {name} is missing. On Debian: postgresql")
    return program
