"""The wire: one GET, and a named error for every way in which it can fail.

No redirect is followed: a provider that moved has to be looked at, and a captive portal answers with one. A
slow sender cannot hold the daemon (a limit on each read and on the whole), nor fill its memory (a limit on
the size). What the other side says in an error is shortened and stripped of control characters before it
goes into a message. Where there was no answer at all, the message names the host and nothing else of the
URL, since that may carry a key.

What a status means for the caller::

    200             the body, if there is one
    other 2xx, 3xx  UnavailableError: this is not the provider's answer
    429, 503        TryLaterError, with the time where Retry-After gives it
    408, other 5xx  UnavailableError
    other 4xx       RefusedError: the question or the key is wrong, and asking again does not help

It reads no clock but the monotonic one, and that only for its own limit.
"""

import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from types import MappingProxyType
from urllib.parse import quote

import httpx
import msgspec

from carbonslurm import __version__
from carbonslurm.carbon.checks import shown
from carbonslurm.core.interval import iso
from carbonslurm.errors import ConfigError, DataError, RefusedError, TryLaterError, UnavailableError

CONNECT = timedelta(seconds=5)
READ = timedelta(seconds=20)
LARGEST_BODY = 8_000_000  # bytes; the largest answer known, 14 days of all regions, is under 4 MB
_LONGEST_REST = timedelta(days=1)  # what a Retry-After may ask for
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Wire:
    """One provider's server.

    Attributes:
        base: URL without the path, http or https.
        connect: longest wait for a connection.
        read: longest silence within an answer. The whole of it may take three times as long.
    """

    base: str
    connect: timedelta = CONNECT
    read: timedelta = READ

    @property
    def host(self) -> str:
        """The host that is asked, as far as it may be shown: without user, password, path and query.

        Raises:
            httpx.InvalidURL: the base is no address.
        """
        address = httpx.URL(self.base)
        return shown(address.host if address.port is None else f"{address.host}:{address.port}")

    def get(
        self, path: str, now: datetime, headers: Mapping[str, str] = NO_HEADERS, secrets: Sequence[str] = ()
    ) -> bytes:
        """Ask for a path and return the body: ``ask``, judged.

        Raises:
            DataError: the body is empty, too large, or not what its encoding says.
            RefusedError: the question or the key was refused.
            UnavailableError: there was no answer; TryLaterError where the server says for how long.
        """
        return self.ask(path, headers, secrets).judged(now)

    def ask(self, path: str, headers: Mapping[str, str] = NO_HEADERS, secrets: Sequence[str] = ()) -> "Said":
        """Ask for a path and return what was said, whatever its status.

        Args:
            path: with its leading slash; without a secret in it, since it stands in messages.
            headers: beside our own, for instance the key.
            secrets: keys and passwords: where the other side echoes one, it is struck out of the body and of
                what is said of it.

        Raises:
            DataError: the body is too large, or not what its encoding says.
            UnavailableError: there was no answer.
        """
        read = self.read.total_seconds()
        timeout = httpx.Timeout(read, connect=self.connect.total_seconds())
        sent = {"User-Agent": f"carbonslurm/{__version__}", "Accept": "application/json", **headers}
        try:
            with (
                httpx.Client(
                    timeout=timeout, headers=sent, verify=_trusted(), follow_redirects=False
                ) as client,
                client.stream("GET", self.base.rstrip("/") + path) as response,
            ):
                body = _struck(_body(response, path, time.monotonic() + 3 * read), secrets)
        except httpx.ConnectTimeout as error:
            raise UnavailableError(f"{self.host} cannot be reached: no answer in time") from error
        except httpx.TimeoutException as error:
            raise UnavailableError(f"{self.host}: no answer in time") from error
        except httpx.DecodingError as error:
            raise DataError(f"{path}: the body is not in the encoding it claims") from error
        except httpx.ConnectError as error:
            raise UnavailableError(f"{self.host} cannot be reached: {_cause(error)}") from error
        except httpx.HTTPError as error:
            raise UnavailableError(f"{self.host} broke off: {_cause(error)}") from error
        except httpx.InvalidURL as error:
            # Its words may be a part of the address, and that part a password.
            raise UnavailableError("url: not an address that can be asked") from error
        return Said(path, response.status_code, body, response.headers.get("Retry-After"))


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, before anybody has judged it.

    Attributes:
        path: what was asked.
        status: HTTP's.
        body: without our secrets.
        rest: the header Retry-After, None where there is none.
    """

    path: str
    status: int
    body: bytes
    rest: str | None = None

    @property
    def words(self) -> str:
        """The path, the status and the beginning of the body, in one line that is safe to show."""
        return f'{self.path}: HTTP {self.status}: "{shown(self.body[:400].decode(errors="replace"), 120)}"'

    def judged(self, now: datetime) -> bytes:
        """Return the body of a good answer.

        Args:
            now: the current time, to say until when a Retry-After asks us to wait.

        Raises:
            DataError, RefusedError, UnavailableError: by its status, as the module says.
        """
        path, status = self.path, self.status
        if status == 200:
            if not self.body.strip():
                raise DataError(f"{path}: an empty answer")
            return self.body
        if 300 <= status < 400:
            raise UnavailableError(f"{path}: HTTP {status}: a redirect, not followed")
        if status in {429, 503}:
            rest = retry_after(self.rest, now)
            until = f"not before {iso(now + rest)}" if rest is not None else "it does not say when"
            raise TryLaterError(f"{path}: HTTP {status}: asks to be left alone, {until}", rest)
        if 400 <= status < 500 and status != 408:
            raise RefusedError(self.words)
        raise UnavailableError(self.words)


def server(url: str, read: timedelta = READ) -> Wire:
    """Return the server that an option ``url`` names.

    Raises:
        ConfigError: it is neither http nor https.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError("url: expected http:// or https://")
    return Wire(url, read=read)


def _struck(body: bytes, secrets: Sequence[str]) -> bytes:
    """Strike secrets out, as they were sent, and as JSON or an address would write them."""
    for secret in filter(None, secrets):
        in_json = msgspec.json.encode(secret).decode()[1:-1]
        for written in {secret, in_json, in_json.replace("/", "\\/"), quote(secret, safe="")}:
            body = body.replace(written.encode(), b"***")
    return body


def _cause(error: httpx.HTTPError) -> str:
    """Return why in the system's words, without its number for them."""
    return re.sub(r"^\[Errno -?\d+\] ", "", shown(str(error))) or "it says no more"


@cache
def _trusted() -> ssl.SSLContext:
    """Return whom we trust; reading the certificates takes 40 ms, longer than most answers."""
    return httpx.create_ssl_context()


def _body(response: httpx.Response, path: str, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        size += len(part)
        if size > LARGEST_BODY:
            raise DataError(f"{path}: more than {LARGEST_BODY} bytes")
        if time.monotonic() > deadline:
            raise UnavailableError(f"{path}: the answer comes too slowly")
        parts.append(part)
    return b"".join(parts)


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """Read Retry-After, seconds or an HTTP date; at most a day, None where it is absent or makes no sense."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), _LONGEST_REST.total_seconds()))
    try:
        then = parsedate_to_datetime(text)
        rest = (then if then.tzinfo else then.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
    return min(max(rest, timedelta()), _LONGEST_REST)
