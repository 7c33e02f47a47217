"""Every provider against a real local HTTP server (or a file) that plays it: a checked series or an error.

Which question is played (a forecast, the newest measured values, history) decides what a flaw means: a
forecast with a gap is refused, while among measured values a gap is a value that stays unknown.
"""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from played import PLAYED
from played.shape import BAD_VALUES, SAYABLE, Played, Point, Role, ask
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from carbonslurm.core.forecast import Series
from carbonslurm.core.interval import Interval, iso
from carbonslurm.errors import DataError, RefusedError, TryLaterError, UnavailableError

QUICK = timedelta(milliseconds=200)
PATIENT = timedelta(seconds=20)
Ask = Callable[[], Series | None]
Say = Callable[..., None]


@pytest.fixture
def where(played: Played, httpserver: HTTPServer, tmp_path: Path) -> str:
    """Where the provider is asked: the local server, or a file."""
    return httpserver.url_for("/") if played.suffix is None else str(tmp_path / f"zone{played.suffix}")


@pytest.fixture
def source(played: Played, where: str, now: datetime) -> Ask:
    """Ask the provider there."""
    made = played.make(where, PATIENT)
    return lambda: ask(made, played.role, now)


@pytest.fixture
def say(played: Played, httpserver: HTTPServer, where: str) -> Say:
    """Make the server answer every question with one response, or write the file."""

    def write(body: bytes) -> None:
        Path(where).write_bytes(body)

    def answer(body: bytes | str = b"", status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = Response(body, status, headers=named, content_type="application/json")
        serve(httpserver, played, lambda _request: response)

    return answer if played.suffix is None else write


class _Anything:
    """Matches every path."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


ANYTHING: Any = _Anything()


def serve(server: HTTPServer, played: Played, answer: Callable[[Request], Response]) -> None:
    """Let the server answer everything, after what leads up to it."""
    server.clear()
    server.expect_request(ANYTHING).respond_with_handler(
        lambda request: played.handshake(request) or answer(request)
    )


def refusal(asking: Ask, kind: type[Exception] = DataError) -> str:
    """Ask, expect exactly this error, and return its one line."""
    with pytest.raises(kind) as caught:
        asking()
    assert type(caught.value) is kind
    message = str(caught.value)
    assert message.isprintable()
    assert message.isascii()
    return message


def answered(asking: Ask) -> Series:
    """Ask, and expect a series."""
    series = asking()
    assert series is not None
    return series


def known(series: Series) -> Any:
    """The values that are there, as they were said (a provider may convert them)."""
    return pytest.approx([step.g_per_kwh for step in series.steps()], rel=1e-6)


def sayable(played: Played, name: str) -> None:
    """Leave the test where a provider's format cannot say this, with its reason."""
    if name in played.exempt:
        pytest.skip(f"{played.name}: {SAYABLE[name]}: {played.exempt[name]}")


def of(*played: Played) -> pytest.MarkDecorator:
    """Play these only."""
    return pytest.mark.parametrize("played", played, ids=[each.name for each in played])


served = of(*(played for played in PLAYED if played.suffix is None))
forecasts = of(*(played for played in PLAYED if played.role is Role.FORECAST))
past = of(*(played for played in PLAYED if played.role is not Role.FORECAST))
histories = of(*(played for played in PLAYED if played.role is Role.HISTORY))
keyed = of(*(played for played in PLAYED if played.secrets))


# --- the suite itself


def test_each_case_has_its_own_name_and_each_exemption_a_meaning_and_a_reason() -> None:
    assert len({played.name for played in PLAYED}) == len(PLAYED)
    for played in PLAYED:
        assert set(played.exempt) <= set(SAYABLE), played.name
        assert all(len(reason.split()) > 2 for reason in played.exempt.values()), played.name
        assert set(BAD_VALUES) <= {*played.bad_values, *played.exempt}, played.name
        assert bool(played.lies) != ("lies" in played.exempt), played.name


@pytest.mark.parametrize("name", SAYABLE)
def test_every_flaw_is_said_by_some_provider(name: str) -> None:
    assert any(name not in played.exempt for played in PLAYED)


# --- good answers


def test_a_good_answer_is_a_series(source: Ask, say: Say, where: str, played: Played, now: datetime) -> None:
    say(played.text([100 + number for number in range(96)]))
    series = answered(source)
    made = played.make(where, PATIENT)
    start = played.start(96)
    assert (series.zone, series.source) == (made.zone, made.name)
    assert not series.has_gaps
    assert (series.start, series.horizon) == (start, start + 96 * played.step)
    assert series.mean(Interval(start, start + 2 * played.step)) == pytest.approx(100.5)
    if played.role is Role.FORECAST:
        assert series.at(now) == pytest.approx(100)
        assert bool(series.estimated.all())
    else:
        assert not bool(series.estimated.any())


@forecasts
def test_an_issue_says_when_it_was_fetched(played: Played, say: Say, where: str, now: datetime) -> None:
    say(played.text([100, 90]))
    made: Any = played.make(where, PATIENT)
    issue = made.fetch(now).forecast
    assert issue.fetched_at == now
    assert issue.generated_at is None or issue.generated_at <= now


def test_a_short_answer_is_a_series(source: Ask, say: Say, played: Played) -> None:
    say(played.text([100, 90]))
    assert answered(source).horizon == played.start(2) + 2 * played.step


def test_points_in_any_order_are_one_series(source: Ask, say: Say, played: Played) -> None:
    sayable(played, "order")
    say(played.body(played.points([100, 90, 80])[::-1]))
    assert known(answered(source)) == [100, 90, 80]


def test_the_same_point_twice_is_taken_once(source: Ask, say: Say, played: Played) -> None:
    sayable(played, "repeat")
    first, second, third = played.points([100, 90, 80])
    say(played.body([first, second, second, third]))
    assert known(answered(source)) == [100, 90, 80]


@pytest.mark.parametrize(
    "day",
    [
        datetime(2026, 3, 29, 0, 10, tzinfo=UTC),  # Europe's clocks go forward at 1:00 UTC
        datetime(2026, 10, 25, 0, 10, tzinfo=UTC),  # and back
        datetime(2026, 3, 8, 9, 10, tzinfo=UTC),  # North America's go forward, zone by zone from 7:00 on
        datetime(2026, 11, 1, 8, 10, tzinfo=UTC),  # and back from 6:00 on
        datetime(2026, 4, 4, 15, 10, tzinfo=UTC),  # Australia's go back at 16:00
    ],
)
def test_a_day_on_which_clocks_change_is_like_any_other(
    played: Played, say: Say, where: str, day: datetime
) -> None:
    """All times are UTC, so that nothing is missing and nothing comes twice."""
    hour = day.replace(minute=0)
    start = hour if played.role is Role.FORECAST else hour - 24 * played.step
    say(played.text([100 + number for number in range(24)], start))
    series = ask(played.make(where, PATIENT), played.role, day)
    assert series is not None
    assert [100 + number for number in range(24)] == known(series)
    assert (series.start, series.horizon) == (start, start + 24 * played.step)
    assert not series.has_gaps


@served
def test_it_says_who_asks(played: Played, httpserver: HTTPServer, now: datetime) -> None:
    seen: list[str] = []

    def look(request: Request) -> Response:
        seen.append(request.headers["User-Agent"])
        return Response(played.text([1, 2]), content_type="application/json")

    serve(httpserver, played, look)
    ask(played.make(httpserver.url_for("/"), PATIENT), played.role, now)
    assert seen
    assert all(agent.startswith("carbonslurm/") for agent in seen)


# --- values


@forecasts
def test_a_forecast_without_one_value_is_refused(source: Ask, say: Say, played: Played) -> None:
    sayable(played, "null")
    value, why = played.bad_values["null"]
    say(played.text([100, 90, value, 80]))
    assert why in refusal(source)


@pytest.mark.parametrize("name", sorted(set(BAD_VALUES) - {"null"}))
def test_one_bad_value_refuses_the_whole(source: Ask, say: Say, played: Played, name: str) -> None:
    sayable(played, name)
    value, why = played.bad_values[name]
    say(played.text([100, 90, value, 80]))
    message = refusal(source)
    assert why in message
    assert played.place(2) in message


@past
def test_what_is_not_measured_stays_unknown(source: Ask, say: Say, played: Played) -> None:
    sayable(played, "null")
    say(played.text([100, 90, None, 80]))
    series = answered(source)
    assert known(series) == [100, 90, 80]
    assert series.at(played.start(4) + 2 * played.step) is None


def test_nothing_but_zeros_is_an_outage(source: Ask, say: Say, played: Played) -> None:
    sayable(played, "zeros")
    say(played.text([0] * 96))
    assert played.why("zeros") in refusal(source)


def test_a_single_zero_is_taken_only_where_it_can_be_true(source: Ask, say: Say, played: Played) -> None:
    sayable(played, "zero")
    say(played.text([100, 0, 90]))
    if played.single_zero:
        assert known(answered(source)) == [100, 0, 90]
    else:
        assert played.why("zero") in refusal(source)


# --- what is missing, or there twice


@forecasts
def test_a_gap_is_refused_and_named(source: Ask, say: Say, played: Played) -> None:
    points = played.points([100] * 8)
    say(played.body(points[:3] + points[4:]))
    left, right = (iso(played.start(8) + number * played.step) for number in (3, 4))
    assert f"a gap: nothing from {left} to {right}" in refusal(source)


@past
def test_a_gap_among_measured_values_stays_unknown(source: Ask, say: Say, played: Played) -> None:
    points = played.points([100] * 8)
    say(played.body(points[:3] + points[4:]))
    series = answered(source)
    assert [series.at(played.start(8) + number * played.step) is None for number in range(8)] == [
        number == 3 for number in range(8)
    ]


@forecasts
def test_31_of_96_points_are_refused(source: Ask, say: Say, played: Played) -> None:
    """Most of the points are missing; evenly so, where steps have ends (else they would look longer)."""
    points = played.points([100] * 96)
    kept = points[::3][:31] if "ends" not in played.exempt else [*points[:8], *points[10::3]][:31]
    say(played.body(kept))
    message = refusal(source)
    assert "a gap" in message
    assert played.why("many missing") in message


def test_two_values_for_one_time_are_refused(source: Ask, say: Say, played: Played) -> None:
    sayable(played, "conflict")
    say(played.body([*played.points([100, 90, 80]), played.points([100, 91, 80])[1]]))
    assert played.why("conflict") in refusal(source)


@forecasts
@pytest.mark.parametrize("count", [0, 1])
def test_too_few_points_are_no_forecast(source: Ask, say: Say, played: Played, count: int) -> None:
    if count:
        sayable(played, "few")
    say(played.text([100] * count))
    assert played.why("few" if count else "nothing") in refusal(source)


@past
def test_nothing_measured_is_nothing(source: Ask, say: Say, played: Played) -> None:
    say(played.text([]))
    assert source() is None


# --- times


def _times(played: Played) -> Iterator[tuple[Sequence[Point], str]]:
    for time, why in played.bad_times:
        first, second = played.points([100, 90])
        yield (first, Point(time, second.end, second.value)), why
        if not {"ends", "end times"} & set(played.exempt):
            yield (first, Point(second.start, time, second.value)), why


def test_a_time_that_is_none_is_refused(source: Ask, say: Say, played: Played) -> None:
    for points, why in _times(played):
        say(played.body(points))
        message = refusal(source)
        assert why in message
        assert played.place(1) in message


@pytest.mark.parametrize("length", [timedelta(0), timedelta(minutes=-30), timedelta(hours=48)])
def test_a_step_of_an_impossible_length_is_refused(
    source: Ask, say: Say, played: Played, length: timedelta
) -> None:
    sayable(played, "ends")
    first, *others = played.points([100, 90, 80])
    assert isinstance(first.start, datetime)
    say(played.body([Point(first.start, first.start + length, 100), *others]))
    assert played.why("length") in refusal(source)


@forecasts
@pytest.mark.parametrize(("days", "flaw"), [(-3, "ended"), (-1, "begun"), (1, "ahead")])
def test_a_forecast_of_another_moment_is_refused(
    source: Ask, say: Say, played: Played, days: int, flaw: str
) -> None:
    """A cache that hands out yesterday's answer must not make it look new."""
    if flaw == "begun":
        sayable(played, "moment")
    count = timedelta(days=2) // played.step
    say(played.text([100] * count, played.start(count) + timedelta(days=days)))
    assert played.why(flaw) in refusal(source)


@histories
def test_history_of_another_time_is_refused(source: Ask, say: Say, played: Played) -> None:
    say(played.text([100] * 8, played.start(8) - timedelta(days=30)))
    assert "not an answer to that" in refusal(source)


@past
def test_nothing_is_measured_after_now(source: Ask, say: Say, played: Played, now: datetime) -> None:
    """The value of a step that has not ended is provisional; one of tomorrow is a mistake."""
    start = now.replace(minute=0) - 3 * played.step
    say(played.text([100] * 8, start))
    series = answered(source)
    assert series.start == start
    assert now - played.step < series.horizon <= now


# --- bodies of another shape


GARBAGE: Sequence[tuple[bytes, str | None]] = (
    (b"", "empty"),
    (b" \n", "empty"),
    (b"<!DOCTYPE html><html>Sign in</html>", "html"),
    (b"\xff\xfe", "malformed"),
    (b'{"\xff": 1}', None),
    (b"null", "scalar"),
    (b'"\\u001b[31mred"', "scalar"),
    (b'{"x":' + b"[" * 100_000, None),
    (b"[" * 100_000, None),
)


@pytest.mark.parametrize(("body", "flaw"), GARBAGE)
def test_a_body_that_is_no_answer_is_refused(
    source: Ask, say: Say, played: Played, body: bytes, flaw: str | None
) -> None:
    say(body)
    assert (played.why(flaw) if flaw else "") in refusal(source)


@served
def test_a_body_of_another_shape_is_refused(source: Ask, say: Say, played: Played) -> None:
    other, quoted = {"object": (b"[]", b"{'data': []}"), "array": (b"{}", b"['data']")}[played.top]
    for body, why in ((other, f"Expected `{played.top}`"), (quoted, "malformed"), *played.shapes):
        say(body)
        assert why in refusal(source)


@served
def test_half_a_body_is_refused(source: Ask, say: Say, played: Played) -> None:
    whole = played.text([100] * 8)
    say(whole[: len(whole) // 2])
    assert played.why("half") in refusal(source)


def test_a_lie_is_not_believed(source: Ask, say: Say, played: Played) -> None:
    sayable(played, "lies")
    for lie in played.lies:
        say(lie.body(played.points([100] * 8)))
        assert lie.why in refusal(source), lie.name


@served
def test_a_body_in_another_encoding_than_it_claims_is_refused(source: Ask, say: Say) -> None:
    say(b"not gzip", Content_Encoding="gzip")
    assert "encoding" in refusal(source)


@served
def test_a_body_without_an_end_is_refused(source: Ask, say: Say) -> None:
    """Nine kilobytes on the wire that unpack to nine million: the limit is on what arrives in memory."""
    say(gzip.compress(b" " * 9_000_000), Content_Encoding="gzip")
    assert "more than" in refusal(source)


# --- statuses


@served
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refused_question_is_a_refusal(source: Ask, say: Say, status: int) -> None:
    say(b'{"error": {"message": "no\x1b[31m"}}', status)
    message = refusal(source, RefusedError)
    assert f"HTTP {status}" in message


@served
@pytest.mark.parametrize("status", [204, 408, 500, 502])
def test_a_server_in_trouble_is_unavailable(source: Ask, say: Say, status: int) -> None:
    say(b"" if status == 204 else b"<html>oops</html>", status)
    assert f"HTTP {status}" in refusal(source, UnavailableError)


@served
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
    source: Ask,
    say: Say,
    status: int,
    header: str | None,
    rest: timedelta | None,
    said: Any,
) -> None:
    say(b"slow down", status, **({} if header is None else {"Retry_After": header}))
    assert said in refusal(source, TryLaterError)
    with pytest.raises(TryLaterError) as caught:
        source()
    assert caught.value.retry_after == rest


@served
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(source: Ask, played: Played, httpserver: HTTPServer, status: int) -> None:
    followed: list[str] = []

    def answer(request: Request) -> Response:
        followed.append(request.path)
        return Response(b"", status, headers={"Location": httpserver.url_for("/elsewhere")})

    serve(httpserver, played, answer)
    assert "redirect" in refusal(source, UnavailableError)
    assert len(followed) == 1


# --- the wire


def asking(played: Played, url: str, now: datetime, read_timeout: timedelta = PATIENT) -> Ask:
    """Ask the provider at another address, or with less patience."""
    made = played.make(url, read_timeout)
    return lambda: ask(made, played.role, now)


@served
def test_a_server_that_says_nothing_is_left(played: Played, httpserver: HTTPServer, now: datetime) -> None:
    done = threading.Event()

    def wait(_request: Request) -> Response:
        done.wait(timeout=30)
        return Response(b"")

    serve(httpserver, played, wait)
    try:
        assert "no answer in time" in refusal(
            asking(played, httpserver.url_for("/"), now, QUICK), UnavailableError
        )
    finally:
        done.set()


@served
def test_a_server_that_drips_is_left(played: Played, httpserver: HTTPServer, now: datetime) -> None:
    """Each byte comes within the read timeout; the whole never would."""
    done = threading.Event()

    def drops() -> Iterator[bytes]:
        while not done.wait(timeout=0.05):
            yield b" "

    serve(httpserver, played, lambda _request: Response(drops()))
    try:
        assert "too slowly" in refusal(asking(played, httpserver.url_for("/"), now, QUICK), UnavailableError)
    finally:
        done.set()


def _plays(server: socket.socket, said: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(said)


@served
@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", b"HTTP/1.1 2", b"SSH-2.0-OpenSSH_9.6\r\n"],
)
def test_a_cut_connection_is_unavailable(played: Played, now: datetime, said: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_plays, args=(server, said))
        thread.start()
        port = server.getsockname()[1]
        refusal(asking(played, f"http://127.0.0.1:{port}", now), UnavailableError)
        thread.join()


@served
def test_nobody_listening_is_unavailable(played: Played, now: datetime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    message = refusal(asking(played, f"http://127.0.0.1:{port}", now), UnavailableError)
    assert message == f"127.0.0.1:{port} cannot be reached: Connection refused"


@served
def test_a_host_that_has_no_address_is_named(played: Played, now: datetime) -> None:
    message = refusal(asking(played, "http://user:secret@grid.invalid/v1?key=secret", now), UnavailableError)
    assert message.startswith("grid.invalid cannot be reached: ")
    assert "secret" not in message
    assert "Errno" not in message


@served
def test_an_address_that_is_none_is_not_told(played: Played, now: datetime) -> None:
    """A slash in a password ends the host too early, and what follows looks like a port."""
    assert "secret" not in refusal(asking(played, "http://user:secret/1@grid.invalid", now), UnavailableError)


@served
def test_a_key_in_the_base_url_is_not_told(played: Played, now: datetime) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://user:secret@127.0.0.1:{port}"
    assert "secret" not in refusal(asking(played, url, now), UnavailableError)


# --- secrets


@keyed
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
def test_a_key_that_the_server_echoes_is_not_told(source: Ask, say: Say, played: Played, status: int) -> None:
    for secret in played.secrets:
        say(f'{{"error": "{secret}", "{secret}": [{secret}'.encode(), status)
        with pytest.raises((DataError, RefusedError, UnavailableError)) as caught:
            source()
        assert secret not in str(caught.value)


@keyed
def test_a_key_is_not_shown_by_the_source(played: Played) -> None:
    made = played.make("http://127.0.0.1:1", PATIENT)
    assert not any(secret in repr(made) for secret in played.secrets)
