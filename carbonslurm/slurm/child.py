"""A process of ours that answers lines of JSON with lines of JSON, and may fail in any way it likes.

It is started with the first question. One that dies, hangs or talks rubbish is killed, the question fails
with UnavailableError, and the next question starts another. It is also replaced after some hundred questions,
since what lives in it loses memory.
"""

import json
import os
import selectors
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Any

from carbonslurm.errors import UnavailableError

LIFE = 500  # questions to one process
LONGEST = 1_000_000_000  # bytes of one answer: a million jobs
PIECE = 1 << 20
PAGE = 4096
TAIL = 300  # characters of its last words


@dataclass(slots=True)
class Child:
    """One such process.

    Attributes:
        argv: how it is started.
        environment: all of it.
        timeout: of one question.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    timeout: timedelta
    _process: subprocess.Popen[bytes] | None = None
    _stderr: IO[bytes] | None = None
    _asked: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Mapping[str, Any]) -> Any:
        """Ask, and return the value of the answer.

        Raises:
            UnavailableError: there was no answer in time, or the answer is that it failed.
        """
        with self._lock:
            process = self._alive()
            self._asked += 1
            limit = max(int(self.timeout.total_seconds()) + 2, 1)
            line = json.dumps({"number": self._asked, "limit": limit, **question}) + "\n"
            try:
                answer = self._exchange(process, line.encode("ascii"))
            except UnavailableError:
                self._end()
                raise
        if "failure" in answer:
            raise UnavailableError(str(answer["failure"]))
        return answer["value"]

    def close(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._end()

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._asked >= LIFE:
            self._end()
        if self._process is None:
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
            self._process = subprocess.Popen(
                list(self.argv),
                env=dict(self.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
            )
        return self._process

    def _exchange(self, process: subprocess.Popen[bytes], line: bytes) -> dict[str, Any]:
        assert process.stdin is not None  # noqa: S101 - we asked for a pipe
        try:
            process.stdin.write(line)
        except OSError as error:
            raise UnavailableError(self._obituary(process)) from error
        raw = self._line(process)
        try:
            answer = json.loads(raw)
            if answer["number"] == self._asked and ("value" in answer or "failure" in answer):
                return dict(answer)
        except (ValueError, KeyError, TypeError):
            pass
        raise UnavailableError(f"{self._name}: an answer that is none")

    def _line(self, process: subprocess.Popen[bytes]) -> bytes:
        """Return one line of its output, within the timeout."""
        assert process.stdout is not None  # noqa: S101 - likewise
        deadline = time.monotonic() + self.timeout.total_seconds()
        pieces: list[bytes] = []
        size = 0
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not (pieces and pieces[-1].endswith(b"\n")):
                if not selector.select(max(deadline - time.monotonic(), 0)) or size > LONGEST:
                    raise UnavailableError(f"{self._name}: no answer in {self.timeout.total_seconds():.0f} s")
                piece = os.read(process.stdout.fileno(), PIECE)
                if not piece:
                    raise UnavailableError(self._obituary(process))
                pieces.append(piece)
                size += len(piece)
        return b"".join(pieces)

    def _obituary(self, process: subprocess.Popen[bytes]) -> str:
        """Say how it ended, with its last words."""
        try:
            code = process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return f"{self._name}: it closed its output"
        return f"{self._name}: ended with {code}: {self._last_words()}"

    def _last_words(self) -> str:
        if self._stderr is None:
            return ""
        self._stderr.seek(max(self._stderr.seek(0, os.SEEK_END) - PAGE, 0))
        lines = self._stderr.read().decode("utf-8", errors="replace").splitlines()
        said = [line for line in lines if line.strip()]
        return "".join(char for char in said[-1] if char.isprintable())[:TAIL] if said else "no word"

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        if self._stderr is not None:
            self._stderr.close()
        self._process, self._stderr, self._asked = None, None, 0

    @property
    def _name(self) -> str:
        return self.argv[-1].rpartition(".")[2]
