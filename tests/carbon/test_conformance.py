"""Every provider against a real local HTTP server that plays it: a checked series or a named error."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carbonslurm.core.interval import Interval
from carbonslurm.errors import DataError, RefusedError, TryLaterError, UnavailableError
from carbonslurm.ports import CarbonSource

QUICK = timedelta(milliseconds=200)
PATIENT = timedelta(seconds=20)
Say = Callable[..., None]


@pytest.fixture
def source(played: Any, httpserver: HTTPServer) -> CarbonSource:
    made: CarbonSource = played.make(httpserver.url_for("/"), PATIENT)
    return made


@pytest.fixture
def say(httpserver: HTTPServer) -> Say:
    """Make the server answer everything with one response."""

    def answer(body: bytes | str = b"", status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = Response(body, status, headers=named, content_type="application/json")
        httpserver.clear()
        httpserver.expect_request(ANYTHING).respond_with_handler(lambda _request: response)

    return answer


class _Anything:
    """Matches every path."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


ANYTHING: Any = _Anything()


def refusal(source: CarbonSource, now: datetime, kind: type[Exception] = DataError) -> str:
    """Fetch, expect exactly this error, and return its one line."""
    with pytest.raises(kind) as caught:
        source.fetch(now)
    assert type(caught.value) is kind
    message = str(caught.value)
    assert message.isprintable()
    assert message.isascii()
    return message


# --- good answers


def test_a_good_answer_is_a_series_from_now_to_its_horizon(
    source: CarbonSource, say: Say, played: Any, now: datetime
) -> None:
    say(played.text(played.rows([100 + number for number in range(96)])))
    answer = source.fetch(now)
    series = answer.forecast.series
    assert answer.actual is None
    assert (series.zone, series.source) == (source.zone, source.name)
    assert series.at(now) == 100
    assert not series.has_gaps
    assert series.horizon == now.replace(minute=0) + 96 * played.step
    assert series.mean(Interval(now.replace(minute=0), now.replace(minute=0) + 2 * played.step)) == 100.5
    assert bool(series.estimated.all())
    assert answer.forecast.fetched_at == now


def test_a_short_horizon_is_a_forecast(source: CarbonSource, say: Say, played: Any, now: datetime) -> None:
    say(played.text(played.rows([100, 90])))
    assert source.fetch(now).forecast.series.horizon == now.replace(minute=0) + 2 * played.step


def test_rows_in_any_order_are_one_series(source: CarbonSource, say: Say, played: Any, now: datetime) -> None:
    say(played.text(played.rows([100, 90, 80])[::-1]))
    assert source.fetch(now).forecast.series.values.tolist() == [100, 90, 80]


def test_the_same_row_twice_is_taken_once(source: CarbonSource, say: Say, played: Any, now: datetime) -> None:
    rows = played.rows([100, 90, 80])
    say(played.text([*rows, rows[1]]))
    assert source.fetch(now).forecast.series.values.tolist() == [100, 90, 80]


def test_it_says_who_asks(played: Any, httpserver: HTTPServer, now: datetime) -> None:
    seen: list[str] = []

    def look(request: Request) -> Response:
        seen.append(request.headers["User-Agent"])
        return Response(played.text(played.rows([1, 2])), content_type="application/json")

    httpserver.expect_request(ANYTHING).respond_with_handler(look)
    played.make(httpserver.url_for("/"), PATIENT).fetch(now)
    assert seen[0].startswith("carbonslurm/")


# --- bodies that must be refused


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "no value"),
        (-1, "outside"),
        (5001, "outside"),
        ("120", "Expected `float"),
        (True, "Expected `float"),
        ([], "Expected `float"),
    ],
)
def test_one_bad_value_refuses_the_whole(
    source: CarbonSource, say: Say, played: Any, now: datetime, value: object, why: str
) -> None:
    say(played.text(played.rows([100, 90, value, 80])))
    message = refusal(source, now)
    assert why in message
    assert "[2]" in message


def test_nothing_but_zeros_is_an_outage(source: CarbonSource, say: Say, played: Any, now: datetime) -> None:
    say(played.text(played.rows([0] * 96)))
    assert "an outage" in refusal(source, now)


def test_a_single_zero_is_taken_only_where_it_can_be_true(
    source: CarbonSource, say: Say, played: Any, now: datetime
) -> None:
    say(played.text(played.rows([100, 0, 90])))
    if played.single_zero:
        assert source.fetch(now).forecast.series.values.tolist() == [100, 0, 90]
    else:
        assert "an outage" in refusal(source, now)


def test_a_gap_is_refused_and_named(source: CarbonSource, say: Say, played: Any, now: datetime) -> None:
    rows = played.rows([100] * 8)
    say(played.text(rows[:3] + rows[4:]))
    assert "a gap: nothing from 2026-11-22T11:30:00Z to 2026-11-22T12:00:00Z" in refusal(source, now)


def test_31_of_96_points_are_refused(source: CarbonSource, say: Say, played: Any, now: datetime) -> None:
    rows = played.rows([100] * 96)
    say(played.text(rows[::3][:31]))
    message = refusal(source, now)
    assert "a gap" in message
    assert "31 values" in message


def test_two_values_for_one_time_are_refused(
    source: CarbonSource, say: Say, played: Any, now: datetime
) -> None:
    rows = played.rows([100, 90, 80])
    other = played.rows([100, 91, 80])
    say(played.text([*rows, other[1]]))
    assert "two values for" in refusal(source, now)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_points_are_refused(
    source: CarbonSource, say: Say, played: Any, now: datetime, count: int
) -> None:
    say(played.text(played.rows([100] * count)))
    assert "expected at least 2" in refusal(source, now)


@pytest.mark.parametrize(
    ("time", "why"),
    [
        ("2026-11-22T10:00", "time without a zone"),
        ("2026-11-22", "time without a zone"),
        ("tomorrow", "not an ISO 8601 time"),
        ("", "not an ISO 8601 time"),
        ("0001-01-01T00:00+14:00", "not a time of this age"),
        ("9999-12-31T23:59-14:00", "not a time of this age"),
    ],
)
def test_a_time_that_is_none_is_refused(
    source: CarbonSource, say: Say, played: Any, now: datetime, time: str, why: str
) -> None:
    for key in played.time_keys:
        rows = played.rows([100, 90])
        rows[1][key] = time
        say(played.text(rows))
        message = refusal(source, now)
        assert why in message
        assert "[1]" in message


@pytest.mark.parametrize("length", [timedelta(0), timedelta(minutes=-30), timedelta(hours=48)])
def test_a_step_of_an_impossible_length_is_refused(
    source: CarbonSource, say: Say, played: Any, now: datetime, length: timedelta
) -> None:
    start = now.replace(minute=0)
    row = played.row(played.time(start), played.time(start + length), 100)
    say(played.text([row, *played.rows([90, 80], start + played.step)]))
    assert "a step of" in refusal(source, now)


@pytest.mark.parametrize(("days", "why"), [(-3, "an old answer"), (-1, "begins at"), (1, "begins at")])
def test_an_answer_to_another_moment_is_refused(
    source: CarbonSource, say: Say, played: Any, now: datetime, days: int, why: str
) -> None:
    """A cache that hands out yesterday's answer must not make it look new."""
    say(played.text(played.rows([100] * 96, now.replace(minute=0) + timedelta(days=days))))
    assert why in refusal(source, now)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "an empty answer"),
        (b" \n", "an empty answer"),
        (b"<!DOCTYPE html><html>Sign in</html>", "HTML"),
        (b'{"data": [', "truncated"),
        (b"{'data': []}", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b'{"\xff": 1}', ""),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b"{}", "no data"),
        (b'{"data": null}', "no data"),
        (b'{"data": "\\u001b[31mred"}', "Expected"),
        (b'{"data": {"regionid": "x\\u001b"}}', ""),
        (b'{"x":' + b"[" * 100_000, ""),
        (
            b'{"error": {"code": "400 Bad Request", "message": "Please\\u001b[2J enter\\na valid path"}}',
            "Please",
        ),
    ],
)
def test_a_body_of_another_shape_is_refused(
    source: CarbonSource, say: Say, now: datetime, body: bytes, why: str
) -> None:
    say(body)
    assert why in refusal(source, now)


def test_a_body_in_another_encoding_than_it_claims_is_refused(
    source: CarbonSource, say: Say, now: datetime
) -> None:
    say(b"not gzip", Content_Encoding="gzip")
    assert "encoding" in refusal(source, now)


def test_a_body_without_an_end_is_refused(source: CarbonSource, say: Say, now: datetime) -> None:
    """Nine kilobytes on the wire that unpack to nine million: the limit is on what arrives in memory."""
    say(gzip.compress(b" " * 9_000_000), Content_Encoding="gzip")
    assert "more than" in refusal(source, now)


# --- statuses


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refused_question_is_a_refusal(source: CarbonSource, say: Say, now: datetime, status: int) -> None:
    say(b'{"error": {"message": "no\x1b[31m"}}', status)
    message = refusal(source, now, RefusedError)
    assert f"HTTP {status}" in message


@pytest.mark.parametrize("status", [204, 408, 500, 502])
def test_a_server_in_trouble_is_unavailable(
    source: CarbonSource, say: Say, now: datetime, status: int
) -> None:
    say(b"" if status == 204 else b"<html>oops</html>", status)
    assert f"HTTP {status}" in refusal(source, now, UnavailableError)


@pytest.mark.parametrize(
    ("header", "rest", "said"),
    [
        ("120", timedelta(minutes=2), "not before 2026-11-22T10:12:00Z"),
        ("Sun, 22 Nov 2026 10:15:00 GMT", timedelta(minutes=5), "not before 2026-11-22T10:15:00Z"),
        ("Sun, 22 Nov 2026 10:15:00 -0000", timedelta(minutes=5), "not before 2026-11-22T10:15:00Z"),
        ("Sun, 22 Nov 2020 10:15:00 GMT", timedelta(0), "not before 2026-11-22T10:10:00Z"),
        ("99999999999999", timedelta(days=1), "not before 2026-11-23T10:10:00Z"),
        ("soon", None, "does not say when"),
        ("-5", None, "does not say when"),
        (None, None, "does not say when"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_too_many_requests_says_until_when(
    source: CarbonSource,
    say: Say,
    now: datetime,
    status: int,
    header: str | None,
    rest: timedelta | None,
    said: Any,
) -> None:
    say(b"slow down", status, **({} if header is None else {"Retry_After": header}))
    assert said in refusal(source, now, TryLaterError)
    with pytest.raises(TryLaterError) as caught:
        source.fetch(now)
    assert caught.value.retry_after == rest


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(
    source: CarbonSource, httpserver: HTTPServer, now: datetime, status: int
) -> None:
    followed: list[str] = []

    def answer(request: Request) -> Response:
        followed.append(request.path)
        return Response(b"", status, headers={"Location": httpserver.url_for("/elsewhere")})

    httpserver.expect_request(ANYTHING).respond_with_handler(answer)
    assert "redirect" in refusal(source, now, UnavailableError)
    assert len(followed) == 1


# --- the wire


def test_a_server_that_says_nothing_is_left(played: Any, httpserver: HTTPServer, now: datetime) -> None:
    done = threading.Event()

    def wait(_request: Request) -> Response:
        done.wait(timeout=30)
        return Response(b"")

    httpserver.expect_request(ANYTHING).respond_with_handler(wait)
    try:
        assert "no answer in time" in refusal(
            played.make(httpserver.url_for("/"), QUICK), now, UnavailableError
        )
    finally:
        done.set()


def test_a_server_that_drips_is_left(played: Any, httpserver: HTTPServer, now: datetime) -> None:
    """Each byte comes within the read timeout; the whole never would."""
    done = threading.Event()

    def drops() -> Iterator[bytes]:
        while not done.wait(timeout=0.05):
            yield b" "

    httpserver.expect_request(ANYTHING).respond_with_handler(lambda _request: Response(drops()))
    try:
        assert "too slowly" in refusal(played.make(httpserver.url_for("/"), QUICK), now, UnavailableError)
    finally:
        done.set()


def _plays(server: socket.socket, said: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(said)


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", b"HTTP/1.1 2", b"SSH-2.0-OpenSSH_9.6\r\n"],
)
def test_a_cut_connection_is_unavailable(played: Any, now: datetime, said: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_plays, args=(server, said))
        thread.start()
        port = server.getsockname()[1]
        refusal(played.make(f"http://127.0.0.1:{port}", PATIENT), now, UnavailableError)
        thread.join()


def test_nobody_listening_is_unavailable(played: Any, now: datetime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "ConnectError" in refusal(played.make(f"http://127.0.0.1:{port}", PATIENT), now, UnavailableError)


def test_a_key_in_the_base_url_is_not_told(played: Any, now: datetime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://user:secret@127.0.0.1:{port}"
    assert "secret" not in refusal(played.make(url, PATIENT), now, UnavailableError)
