"""WattTime's login: user and password for a token of 30 minutes, which stays in memory.

::

    GET /login  Authorization: Basic ...   ->  {"token": ...}
    GET /v3/... Authorization: Bearer ...  ->  the answer; 401 where the token is no good any more

A token is used for less than its 30 minutes. Where it is refused all the same, we log in once more and ask
once more; a token that is refused right after the login is the end of it. A wrong password is HTTP 403, whose
body claims to be JSON and is not; nobody reads it. Where the region is given as a place on earth, its name is
asked for once and kept here, too.

Neither password nor token is in any message or repr: what the server echoes of them is struck out, and of an
answer to the login nothing is ever quoted but the status.
"""

import base64
import re
import threading
from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec

from carbonslurm.carbon import checks
from carbonslurm.carbon.http import Said, Wire
from carbonslurm.carbon.secret import Secret
from carbonslurm.errors import DataError, RefusedError, UnavailableError

LIFE = timedelta(minutes=28)  # of a token's 30 minutes, which it does not tell
LONGEST_TOKEN = 16_384
NAME = re.compile(r"[A-Z0-9_]{1,60}", re.ASCII)


class _Login(msgspec.Struct):
    token: str


class _Region(msgspec.Struct):
    region: str


def read_token(body: bytes) -> str:
    """Return the token of an answer to a login; no message quotes any of it.

    Raises:
        DataError: there is none that can stand in a header.
    """
    with checks.about("/login"):
        token = checks.decoded(body, _Login).token
        if not (0 < len(token) <= LONGEST_TOKEN and token.isascii() and token.isprintable()):
            raise DataError("what came as a token is none")
        return token


def read_region(body: bytes) -> str:
    """Return the name of the region at a place.

    Raises:
        DataError: there is none.
    """
    with checks.about("region-from-loc"):
        name = checks.decoded(body, _Region).region
        if not NAME.fullmatch(name):
            raise DataError(f'not a region: "{checks.shown(name)}"')
        return name


class Session:
    """One account's login; the sources of an offer share it, whichever thread asks."""

    def __init__(self, wire: Wire, user: str, password: Secret) -> None:
        self._wire = wire
        self._user = user
        self._password = password
        self._token: tuple[str, datetime] | None = None  # and when we logged in
        self._told: tuple[str, ...] = ()  # what the server knows of us and may echo
        self._regions: dict[str, str] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Session({self._user!r})"

    def ask(self, path: str, now: datetime) -> Said:
        """Ask with a token, logging in where it needs to be.

        Raises:
            DataError: the answer to the login is none.
            RefusedError: the login is refused, or we may not read the password.
            UnavailableError: there was no answer, or no password.
        """
        with self._lock:
            token, is_new = self._token_at(now)
            said = self._asked(path, token)
            if said.status == 401 and not is_new:
                self._token = None
                token, _ = self._token_at(now)
                said = self._asked(path, token)
            if said.status == 401:
                self._token = None
            return said

    def region(self, latitude: float, longitude: float, signal: str, now: datetime) -> str:
        """Return the name of the region at a place.

        Raises:
            DataError: the answer is none.
            RefusedError: there is no coverage there, or as ``ask``.
            UnavailableError: as ``ask``.
        """
        words = urlencode({"latitude": latitude, "longitude": longitude, "signal_type": signal})
        if words not in self._regions:
            body = self.ask(f"/v3/region-from-loc?{words}", now).judged(now)
            self._regions[words] = read_region(body)
        return self._regions[words]

    def _asked(self, path: str, token: str) -> Said:
        return self._wire.ask(path, {"Authorization": f"Bearer {token}"}, self._told)

    def _token_at(self, now: datetime) -> tuple[str, bool]:
        """Return a token that is still good, and whether it is a new one."""
        if self._token is not None and timedelta() <= now - self._token[1] < LIFE:
            return self._token[0], False
        token = self._login(now)
        self._token = token, now
        return token, True

    def _login(self, now: datetime) -> str:
        password = self._password.read()
        basic = base64.b64encode(f"{self._user}:{password}".encode()).decode()
        said = self._wire.ask("/login", {"Authorization": f"Basic {basic}"}, (password, basic))
        if said.status in {401, 403}:
            raise RefusedError(f"/login: HTTP {said.status}: wrong user or password")
        if 200 < said.status < 300:
            raise UnavailableError(f"/login: HTTP {said.status}: not an answer to a login")
        token = read_token(said.judged(now))
        self._told = (token, password, basic)
        return token
