"""One host is asked once, patiently, and not hammered. Its answers are scripted, its clock is the test's."""

import gc
import gzip
import re
import socket
import ssl
import threading
import tracemalloc
import weakref
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.lowlevel
import httpx
import pytest
import stamina
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSListener

from tests.conftest import Clock
from weather.config import Settings
from weather.errors import BadAnswer, NoForecast, TooSlow, Unavailable, UpstreamError
from weather.metrics import Metrics
from weather.nws.exchange import LARGE_BYTES, MOST_BYTES, UpstreamRequest
from weather.nws.host import Host
from weather.nws.upstream import Upstream
from weather.nws.worker import PLACES

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_waiting")]

URL = "https://host.invalid/item"
LIVES_S, STALE_S = 100, 1000


@pytest.fixture
def clock():
    return Clock(1000.0)


async def settled():
    """Until all wait for the test, or for time to pass; `anyio.wait_all_tasks_blocked` looks every 0.1 s only."""
    for _ in range(100):
        await anyio.lowlevel.checkpoint()


class Scripted:
    """Gives its answers in turn, the last one again and again; what is not an answer is raised or awaited."""

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []

    async def __call__(self, request):
        self.requests.append(request)
        for _ in range(3):  # Time for callers to be told.
            await anyio.lowlevel.checkpoint()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return await answer() if not isinstance(answer, tuple) else httpx.Response(*answer[:1], **answer[1])

    def __len__(self):
        return len(self.requests)


def ok(value=1, max_age=LIVES_S, **headers):
    return (200, {"json": {"value": value}, "headers": {"Cache-Control": f"max-age={max_age}", **headers}})


def status(code, **headers):
    return (code, {"json": {"type": "https://host.invalid/Problem"}, "headers": headers})


async def hang():
    await anyio.sleep_forever()


def gated(gate, answer):
    async def wait():
        await gate.wait()
        return httpx.Response(answer[0], **answer[1])

    return wait


def read(body):
    if "value" not in body:
        raise BadAnswer("there is no value")
    return body["value"]


def gone(code, problem):
    return NoForecast("it is gone") if (code, problem) == (404, "Problem") else None


def item(url=URL, read=read, **changes):
    bounds = {"ttl_bounds_s": (10, 1000), "stale_s": STALE_S, "refusal": gone, **changes}
    return UpstreamRequest(url, "item", read, **bounds)


@pytest.mark.parametrize(("size", "beside"), [(1, False), (LARGE_BYTES, True)])
async def test_what_is_large_is_read_beside_the_loop(clock, size, beside):
    def read_where(body):
        return threading.current_thread()

    async with asking(Scripted(ok("x" * size)), clock) as upstream:
        document = await upstream.get(item(read=read_where))
        assert (document.data is not threading.current_thread()) == beside


async def test_an_error_of_what_is_read_beside_the_loop_is_told(clock):
    def unreadable(body):
        raise BadAnswer("it is odd")

    async with asking(Scripted(ok("x" * LARGE_BYTES)), clock) as upstream:
        with pytest.raises(BadAnswer, match="it is odd"):
            await upstream.get(item(read=unreadable))


@asynccontextmanager
async def asking(host, clock, **settings):
    settings = Settings(**{f"nws_{name}": value for name, value in settings.items()})
    upstream = Upstream(Host(settings, Metrics(), httpx.MockTransport(host), clock))
    async with upstream.opened():
        yield upstream


async def outcome(upstream, request=None, **options):
    """What a caller gets, in a word: value, "stale value", or the error's class."""
    try:
        document = await upstream.get(request or item(), **options)
    except UpstreamError as error:
        return type(error).__name__
    return f"stale {document.data}" if document.stale else document.data


class Notes(list):
    async def __call__(self, note):
        self.append(note)


async def test_a_thousand_callers_make_one_request(clock):
    gate = anyio.Event()
    host, got = Scripted(gated(gate, ok())), []

    async def ask(upstream):
        got.append(await outcome(upstream))

    async with asking(host, clock) as upstream, anyio.create_task_group() as callers:
        for _ in range(1000):
            callers.start_soon(ask, upstream)
        await settled()
        gate.set()
    assert (len(host), got) == (1, [1] * 1000)


async def test_a_cancelled_caller_takes_nothing_from_the_others(clock):
    gate = anyio.Event()
    host, got = Scripted(gated(gate, ok())), []

    async def ask(upstream):
        got.append(await outcome(upstream))

    async with asking(host, clock) as upstream, anyio.create_task_group() as callers:
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(ask, upstream)
            await settled()
            callers.start_soon(ask, upstream)
            await settled()
            leaving.cancel_scope.cancel()
        gate.set()
        await settled()
        assert await outcome(upstream) == 1
    assert (len(host), got) == (1, [1])


@pytest.mark.parametrize("waits_for", ["the host", "room"])
async def test_what_nobody_waits_for_any_more_stops_and_who_comes_then_asks_anew(clock, waits_for):
    host = Scripted(hang)
    async with asking(host, clock, max_concurrency=1) as upstream, anyio.create_task_group() as callers:
        if waits_for == "room":
            callers.start_soon(outcome, upstream, item(f"{URL}/first"))
            await settled()
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(outcome, upstream)
            await settled()
            leaving.cancel_scope.cancel()
            host.answers = [ok()]
        callers.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await settled()
            assert upstream._flights == {}
            assert await outcome(upstream) == 1
        assert len(host) == 2


async def test_what_is_cancelled_says_nothing_of_how_long_the_host_takes(clock):
    """Those at the end of a queue are cut off as soon as they get their turn: that is no quick answer."""
    host = Scripted(hang)
    async with asking(host, clock) as upstream:
        for _ in range(50):
            async with anyio.create_task_group() as leaving:
                leaving.start_soon(outcome, upstream)
                await settled()
                leaving.cancel_scope.cancel()
        exposition = upstream.metrics.exposition().decode()
    assert 'nws_requests_total{endpoint="item",status="cancelled"} 50.0' in exposition
    assert 'nws_request_duration_seconds_count{endpoint="item"}' not in exposition


@pytest.mark.parametrize(
    ("headers", "life_s"),
    [
        ({"Cache-Control": "max-age=100"}, 100),
        ({"Cache-Control": "public, Max-Age=100, s-maxage=20"}, 100),
        ({"Cache-Control": "s-maxage=100"}, 10),
        ({"Cache-Control": "x-max-age=100"}, 10),
        ({"Cache-Control": "max-age=0"}, 10),
        ({"Cache-Control": "no-store"}, 10),
        ({"Cache-Control": "max-age=86400"}, 1000),
        ({}, 10),
    ],
)
async def test_an_answer_lives_as_long_as_the_host_says_within_bounds(clock, headers, life_s):
    host = Scripted((200, {"json": {"value": 1}, "headers": headers}))
    async with asking(host, clock) as upstream:
        await upstream.get(item())
        clock.now += life_s - 0.01
        assert await outcome(upstream) == 1
        assert len(host) == 1
        clock.now += 0.01
        await upstream.get(item())
    assert len(host) == 2


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
async def test_passing_errors_are_tried_three_times_in_all_and_never_kept(clock, code):
    host = Scripted(*[status(code)] * 3, ok())
    async with asking(host, clock) as upstream:
        assert await outcome(upstream) == "Unavailable"
        assert len(host) == 3
        assert await outcome(upstream) == 1


@pytest.mark.parametrize("code", [400, 401, 403, 405, 410, 418, 501])
async def test_other_errors_are_not_tried_again_nor_kept(clock, code):
    host = Scripted(status(code))
    async with asking(host, clock) as upstream:
        for asked in (1, 2):
            with pytest.raises(UpstreamError, match=f"status {code}"):
                await upstream.get(item())
            assert len(host) == asked


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (httpx.ConnectError("[Errno 111]"), "it cannot be reached"),
        (httpx.ConnectTimeout(""), "it cannot be reached"),
        (httpx.ReadTimeout(""), "it takes too long"),
        (httpx.RemoteProtocolError("peer closed"), "the connection broke"),
        (httpx.ReadError(""), "the connection broke"),
        (status(503), "it answered with status 503"),
        ((200, {"html": "<h1>Down</h1>"}), "it sent something that is not weather data"),
        ((200, {"content": b'{"value": ', "headers": {"Content-Type": "application/json"}}), "not weather data"),
        (
            (200, {"content": b'{"value": "\\ud800"}', "headers": {"Content-Type": "application/json"}}),
            "not weather data",
        ),
        ((200, {"content": b"", "headers": {"Content-Type": "application/json"}}), "not weather data"),
        ((200, {"json": None}), "not weather data"),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_whatever_fails_is_tried_again_and_then_told_without_internals(clock, failure, text):
    host = Scripted(*[failure] * 3, failure, ok())
    async with asking(host, clock) as upstream:
        with pytest.raises(Unavailable, match=text) as told:
            await upstream.get(item())
        assert len(host) == 3
        assert await outcome(upstream) == 1
    assert not re.search(r"host\.invalid|Error|Errno|peer", str(told.value))


@pytest.fixture
def unreachable(certificate, monkeypatch):
    """URLs of servers of this machine, by how they fail; their user's password is "s3cret"."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)

    async def answer(stream, kind):
        async with stream:
            if kind == "silent":
                await anyio.sleep_forever()
            if kind != "cut":
                await stream.send(b"HTTP/1.1 407 who are you?\r\ncontent-length: 0\r\n\r\n")

    async def url(kind, tasks):
        scheme = "https" if kind in ("untrusted", "no TLS") else "http"
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(SocketAttribute.local_port)

        async def listen():
            async with TLSListener(listener, tls) if kind == "untrusted" else listener as served:
                await served.serve(partial(answer, kind=kind))

        if kind == "refused":
            await listener.aclose()
        else:
            tasks.start_soon(listen)
        if kind != "proxy":
            return f"{scheme}://user:s3cret@127.0.0.1:{port}/item"
        monkeypatch.setenv("https_proxy", f"http://user:s3cret@127.0.0.1:{port}")
        return "https://user:s3cret@host.invalid/item"

    return url


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("refused", "refused: nothing listens there"),
        ("untrusted", "TLS: the certificate does not verify, self-signed certificate"),
        ("no TLS", "TLS: WRONG_VERSION_NUMBER"),
        ("proxy", "proxy: it refused with status 407"),
        ("silent", "timeout: the answer did not come in time"),
        ("cut", "connection: RemoteProtocolError"),
    ],
)
async def test_why_the_host_cannot_be_reached_is_logged_once_and_at_each_failure_for_debugging(
    clock, caplog, unreachable, kind, said
):
    caplog.set_level("DEBUG", "weather")
    wait_s = 0.2 if kind == "silent" else 60
    settings = Settings(nws_connect_timeout_seconds=60, nws_read_timeout_seconds=wait_s, nws_deadline_seconds=300)
    async with anyio.create_task_group() as servers:
        url = await unreachable(kind, servers)
        upstream = Upstream(Host(settings, Metrics(), None, clock))
        async with upstream.opened():
            for _ in range(2):
                with pytest.raises(Unavailable) as told:
                    await upstream.get(item(url))
        servers.cancel_scope.cancel()
    lines = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "weather.nws.host"]
    assert lines.count(("WARNING", f"NWS cannot be reached: {said}")) == 1
    assert lines.count(("DEBUG", f"NWS failed at item: {said}")) == 5  # then the breaker opens
    assert lines[-1] == ("WARNING", f"NWS is left alone for 5 s at a time: {said}")
    assert "s3cret" not in caplog.text
    assert not re.search(r"TLS|proxy|refused|timeout|127|Error|s3cret", str(told.value))


@pytest.mark.parametrize(
    ("failure", "cause", "said"),
    [
        (httpx.ConnectError(""), socket.gaierror(-2, "Name or service not known"), "DNS: Name or service not known"),
        (httpx.ConnectTimeout(""), TimeoutError(), "timeout: no connection was made in time"),
        (httpx.ReadError(""), ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (
            httpx.ConnectError(""),
            ExceptionGroup("", [OSError(101, "Network is unreachable"), ConnectionRefusedError()]),
            "connection: Network is unreachable",
        ),
    ],
    ids=repr,
)
@pytest.mark.parametrize("proxy", ["", "http://user:s3cret@proxy.invalid"])
async def test_why_is_found_beneath_what_httpx_raises(clock, caplog, monkeypatch, failure, cause, said, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    failure.__cause__ = cause
    async with asking(Scripted(failure, failure, failure, ok()), clock) as upstream:
        with pytest.raises(Unavailable):
            await upstream.get(item())
        assert await outcome(upstream) == 1
    assert f"{said}{' (through a proxy)' if proxy else ''}\n" in caplog.text
    assert "s3cret" not in caplog.text


async def test_that_the_host_answers_again_is_logged_and_what_comes_after_is_new(clock, caplog):
    caplog.set_level("INFO", "weather")
    failure = httpx.ConnectError("")
    async with asking(Scripted(failure, ok(), failure, ok()), clock) as upstream:
        assert [await outcome(upstream, item(f"{URL}/{number}")) for number in range(2)] == [1, 1]
    told = [r.getMessage().split(":")[0] for r in caplog.records if r.name == "weather.nws.host"]
    assert told == ["NWS cannot be reached", "NWS answers again"] * 2


async def test_what_cannot_be_read_is_logged_without_the_password_of_the_url(clock, caplog):
    async with asking(Scripted((200, {"json": {}})), clock) as upstream:
        await outcome(upstream, item("https://user:s3cret@host.invalid/item?area=CA"))
    assert "/item?area=CA: The National Weather Service sent an answer that cannot be read" in caplog.text
    assert "s3cret" not in caplog.text


async def test_what_cannot_be_read_is_not_requested_again_for_ten_seconds(clock):
    host = Scripted((200, {"json": {}}), ok())
    async with asking(host, clock) as upstream:
        for later_s in (0, 0, 9):
            clock.now += later_s
            assert await outcome(upstream) == "BadAnswer"
            assert len(host) == 1
        clock.now += 1
        assert await outcome(upstream) == 1


@pytest.mark.parametrize(("age_s", "given"), [(0.95 * LIVES_S, 1), (LIVES_S, "stale 1")])
async def test_what_cannot_be_read_leaves_the_last_good_answer_in_its_place(clock, age_s, given):
    host = Scripted(ok(), (200, {"json": {}}))
    async with asking(host, clock) as upstream:
        await upstream.get(item())
        clock.now += age_s
        for _ in range(3):
            assert await outcome(upstream, refresh_ahead=True) == given
    assert len(host) == 2


async def test_settings_limit_the_retries(clock):
    host = Scripted(status(500))
    async with asking(host, clock, max_retries=0) as upstream:
        assert await outcome(upstream) == "Unavailable"
    assert len(host) == 1


async def test_waits_between_attempts_grow_and_are_told(clock):
    notes = Notes()
    async with asking(Scripted(status(500)), clock) as upstream:
        await outcome(upstream, progress=notes)
    waits = [float(re.search(r"retrying in (\S+) s", note)[1]) for note in notes]
    assert len(waits) == 2
    assert 0.2 <= waits[0] <= 0.5 <= waits[1] <= 1


async def test_the_wait_is_made():
    """The only test here that waits in real time, half a second at most."""
    with stamina.set_testing(False):
        async with asking(Scripted(status(500), ok()), anyio.current_time) as upstream:
            started = anyio.current_time()
            assert await outcome(upstream) == 1
            assert anyio.current_time() - started >= 0.25


@pytest.mark.parametrize(
    ("retry_after", "note"),
    [
        ("7", "retrying in 7.0 s"),
        ("Fri, 20 Nov 2099 18:00:00 GMT", r"retrying in 0\.\d s"),
        ("soon", r"retrying in 0\.\d s"),
        ("-7", r"retrying in 0\.\d s"),
        ("10", None),
        ("3600", None),
        ("9" * 400, None),
    ],
    ids=str,
)
@pytest.mark.parametrize("code", [429, 503])
async def test_retry_after_is_obeyed_when_the_deadline_allows_and_ends_the_attempts_otherwise(
    clock, code, retry_after, note
):
    notes = Notes()
    host = Scripted(status(code, **{"Retry-After": retry_after}), ok())
    async with asking(host, clock) as upstream:
        assert await outcome(upstream, progress=notes) == (1 if note else "Unavailable")
    assert len(host) == (2 if note else 1)
    assert len(notes) == (1 if note else 0)
    assert note is None or re.search(note, notes[0])


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize(("retry_after", "rest_s"), [("30", 30), ("3600", 60)])
async def test_retry_after_is_meant_for_all_who_ask(clock, code, retry_after, rest_s):
    """At the end of the rest, who asks waits for the remainder, as far as the deadline allows."""
    host, notes = Scripted(status(code, **{"Retry-After": retry_after}), ok()), Notes()
    async with asking(host, clock) as upstream:
        assert await outcome(upstream) == "Unavailable"
        for number, later_s in enumerate((0, rest_s - 11)):
            clock.now += later_s
            assert await outcome(upstream, item(f"{URL}/{number}")) == "Unavailable"
        assert len(host) == 1
        clock.now += 4
        assert await outcome(upstream, item(f"{URL}/other"), progress=notes) == 1
    assert notes == ["The National Weather Service did not answer; retrying in 7.0 s"]


async def trickle():
    async def body():
        while True:
            yield b" "
            await anyio.sleep(0.02)

    return httpx.Response(200, content=body(), headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("hung", [hang, trickle])
async def test_a_hung_host_is_given_up_at_the_deadline(clock, hung):
    async with asking(Scripted(hung), clock, deadline_seconds=0.2) as upstream:
        started = anyio.current_time()
        with pytest.raises(TooSlow, match=r"within 0\.2 seconds"):
            await upstream.get(item())
        assert anyio.current_time() - started >= 0.2


@pytest.mark.parametrize("hung", [hang, trickle])
async def test_a_hung_attempt_is_tried_again_within_the_deadline(clock, hung):
    host = Scripted(hung, ok())
    async with asking(host, clock, connect_timeout_seconds=0.3, read_timeout_seconds=0.3) as upstream:
        assert await outcome(upstream) == 1
    assert len(host) == 2


@pytest.mark.parametrize("failure", [status(503), status(403), httpx.ConnectError(""), (200, {"json": {}})], ids=str)
@pytest.mark.parametrize(("age_s", "kept"), [(LIVES_S, True), (STALE_S, True), (STALE_S + 1, False)])
async def test_a_good_answer_outlives_its_time_where_the_host_fails_up_to_a_limit(clock, failure, age_s, kept):
    async with asking(Scripted(ok(), failure), clock) as upstream:
        await upstream.get(item())
        clock.now += age_s
        assert (await outcome(upstream) == "stale 1") is kept
        if not kept:
            with pytest.raises(UpstreamError):
                await upstream.get(item())


async def test_a_stale_answer_is_given_when_patience_ends_and_the_request_goes_on(clock):
    gate = anyio.Event()
    host = Scripted(ok(), gated(gate, ok(2)))
    async with asking(host, clock, deadline_seconds=0.5) as upstream:
        await upstream.get(item())
        clock.now += LIVES_S
        started = anyio.current_time()
        assert await outcome(upstream) == "stale 1"
        assert anyio.current_time() - started >= 0.15
        gate.set()
        await settled()
        assert await outcome(upstream) == 2
    assert len(host) == 2


async def test_patience_is_three_seconds_by_default(clock):
    async with asking(Scripted(ok()), clock) as upstream:
        assert upstream.patience_s == 3


async def test_an_error_says_what_failed_for_how_long_and_what_to_do(clock):
    async with asking(Scripted(status(503)), clock) as upstream:
        await outcome(upstream)
        clock.now += 95
        with pytest.raises(Unavailable) as told:
            await upstream.get(item())
    assert str(told.value) == (
        "The National Weather Service is not answering: it answered with status 503 (for 95 seconds now)."
        " Try again in a minute."
    )


async def test_how_long_is_told_of_each_question_though_others_are_answered(clock):
    async def serve(request):
        return httpx.Response(200, json={"value": 1} if request.url.path == "/item" else {})

    async with asking(serve, clock) as upstream:
        for later_s, said in ((0, ""), (300, " (for 5 minutes now)"), (360, " (for 11 minutes now)"), (3600, "")):
            clock.now += later_s
            assert await outcome(upstream) == 1
            with pytest.raises(BadAnswer, match=rf"there is no value{re.escape(said)}\. Try again in a minute\.$"):
                await upstream.get(item(f"{URL}/bad"))


async def test_what_is_asked_aside_is_tried_once_and_says_nothing_of_the_host(clock):
    host = Scripted(status(500))
    async with asking(host, clock, breaker_failures=2) as upstream:
        for number in range(5):
            assert await outcome(upstream, item(f"{URL}/{number}", optional=True)) == "Unavailable"
        assert len(host) == 5
        host.answers = [ok()]
        assert await outcome(upstream) == 1


async def test_an_error_that_the_host_means_is_kept_a_while_and_never_longer(clock):
    host = Scripted(status(404, **{"Cache-Control": "max-age=86400"}), status(500))
    async with asking(host, clock) as upstream:
        request = item(ttl_bounds_s=(10, 86400), stale_s=86400)
        for _ in range(2):
            with pytest.raises(NoForecast):
                await upstream.get(request)
        assert len(host) == 1
        clock.now += 3600
        assert await outcome(upstream, request) == "Unavailable"


async def test_a_kept_error_that_is_raised_a_thousand_times_does_not_grow(clock):
    async with asking(Scripted(status(404)), clock) as upstream:
        for _ in range(1000):
            with pytest.raises(NoForecast) as told:
                await upstream.get(item())
    depth, trace = 0, told.value.__traceback__
    while trace:
        depth, trace = depth + 1, trace.tb_next
    assert depth < 10


async def test_after_repeated_failures_calls_fail_at_once_and_one_tries_again_after_a_pause(clock):
    host = Scripted(status(500))
    async with asking(host, clock, breaker_failures=5, breaker_seconds=5) as upstream:
        for number in range(20):
            assert await outcome(upstream, item(f"{URL}/{number}")) == "Unavailable"
        assert len(host) == 5
        for asked in (6, 7):
            clock.now += 5
            for number in range(20):
                assert await outcome(upstream, item(f"{URL}/{number}")) == "Unavailable"
            assert len(host) == asked
        clock.now += 5
        host.answers = [ok()]
        assert [await outcome(upstream, item(f"{URL}/{number}")) for number in range(3)] == [1, 1, 1]


async def test_a_breaker_does_not_open_while_answers_come_between_the_failures(clock):
    host = Scripted(*[status(500), status(500), ok(), status(404)] * 10)
    async with asking(host, clock, breaker_failures=3) as upstream:
        for number in range(10):
            assert await outcome(upstream, item(f"{URL}/{number}")) == 1
            with pytest.raises(NoForecast):
                await upstream.get(item(f"{URL}/gone/{number}"))


async def test_while_a_trial_is_under_way_nobody_else_asks_and_a_hung_trial_blocks_nothing(clock):
    host = Scripted(status(500), hang)
    async with asking(host, clock, max_concurrency=1, breaker_failures=1, deadline_seconds=1) as upstream:
        await outcome(upstream)
        clock.now += 5
        ended = anyio.Event()

        async def probe():
            await outcome(upstream, item(f"{URL}/probe"))
            ended.set()

        async with anyio.create_task_group() as callers:
            callers.start_soon(probe)
            await settled()
            assert await outcome(upstream) == "Unavailable"  # though the only place at the host is taken
            assert not ended.is_set()
        assert len(host) == 2
        host.answers = [ok()]
        assert await outcome(upstream) == "Unavailable"
        clock.now += 5
        assert await outcome(upstream) == 1


async def test_those_who_queue_when_the_breaker_opens_do_not_ask(clock):
    gate = anyio.Event()
    host, got = Scripted(gated(gate, status(500))), []

    async def ask(upstream, number):
        got.append(await outcome(upstream, item(f"{URL}/{number}")))

    settings = {"max_concurrency": 2, "breaker_failures": 2}
    async with asking(host, clock, **settings) as upstream, anyio.create_task_group() as callers:
        for number in range(50):
            callers.start_soon(ask, upstream, number)
        await settled()
        gate.set()
    assert (len(host), got) == (2, ["Unavailable"] * 50)


async def test_no_more_are_asked_at_a_time_than_allowed_and_in_the_order_of_asking(clock):
    busy = most = 0

    async def serve():
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await anyio.lowlevel.checkpoint()
        busy -= 1
        return httpx.Response(200, json={"value": 1})

    host = Scripted(serve)
    async with asking(host, clock, max_concurrency=3) as upstream, anyio.create_task_group() as callers:
        for number in range(100):
            callers.start_soon(outcome, upstream, item(f"{URL}/{number}"))
    assert most == 3
    assert [request.url.path for request in host.requests] == [f"/item/{number}" for number in range(100)]


async def test_an_answer_asked_for_ahead_is_asked_anew_only_when_about_to_expire(clock):
    host = Scripted(ok(1), ok(2))
    async with asking(host, clock) as upstream:
        await upstream.get(item())
        clock.now += 0.9 * LIVES_S - 0.1
        assert await outcome(upstream, refresh_ahead=True) == 1
        clock.now += 0.1
        assert await outcome(upstream) == 1
        assert len(host) == 1
        assert await outcome(upstream, refresh_ahead=True) == 2
        assert await outcome(upstream, refresh_ahead=True) == 2
    assert len(host) == 2


async def test_a_refresh_ahead_that_fails_gives_the_answer_that_is_still_fresh(clock):
    host = Scripted(ok(), status(503))
    async with asking(host, clock) as upstream:
        await upstream.get(item())
        clock.now += 0.95 * LIVES_S
        document = await upstream.get(item(), refresh_ahead=True)
    assert (document.data, document.stale) == (1, False)
    assert document.refresh_at == clock.now + 5
    assert len(host) == 4


async def test_the_cache_holds_no_more_bytes_than_set(clock):
    padded = (200, {"json": {"value": 1, "more": "x" * 10_000}, "headers": {"Cache-Control": "max-age=100"}})
    host = Scripted(padded)
    async with asking(host, clock, cache_bytes=1 << 20) as upstream:
        for number in range(200):
            await upstream.get(item(f"{URL}/{number}"))
        assert 0.9 * (1 << 20) < upstream._cache.currsize <= 1 << 20
        assert f"{URL}/0" not in upstream._cache
        assert f"{URL}/199" in upstream._cache


async def test_an_answer_larger_than_the_cache_is_given_and_not_kept(clock):
    host = Scripted((200, {"json": {"value": 1, "more": "x" * (1 << 20)}}))
    async with asking(host, clock, cache_bytes=1 << 20) as upstream:
        assert [await outcome(upstream), await outcome(upstream)] == [1, 1]
        assert upstream._cache.currsize == 0
    assert len(host) == 2


async def test_what_nobody_foresaw_is_logged_even_without_a_caller_and_leaves_nothing_behind(clock, caplog):
    def broken(body):
        raise KeyError("oops")

    gate = anyio.Event()
    host = Scripted(ok(1), gated(gate, ok(2)), ok(3))
    async with asking(host, clock) as upstream:
        await outcome(upstream)
        clock.now += LIVES_S
        async with anyio.create_task_group() as leaving:  # There is a stale_copy: the work goes on.
            leaving.start_soon(outcome, upstream, item(read=broken))
            await settled()
            leaving.cancel_scope.cancel()
        gate.set()
        await settled()
        assert "oops" in caplog.text
        assert await outcome(upstream) == 3
        assert upstream._flights == {}


async def test_closing_ends_what_is_in_flight_and_tells_the_callers(clock):
    got = []

    async def ask(upstream):
        try:
            await upstream.get(item())
        except Unavailable as error:
            got.append(str(error))

    async with anyio.create_task_group() as callers, asking(Scripted(hang), clock) as upstream:
        callers.start_soon(ask, upstream)
        await settled()
    assert got == ["The National Weather Service is not answering: this server is stopping. Try again in a minute."]
    assert upstream._flights == {}


async def test_a_callers_progress_neither_delays_nor_breaks_the_work_for_others(clock):
    gate, seen = anyio.Event(), Notes()

    async def broken(note):
        raise ValueError(note)

    async def stuck(note):
        await anyio.sleep_forever()

    got = []

    async def ask(upstream, progress):
        try:
            got.append(await outcome(upstream, progress=progress))
        except ValueError:
            got.append("broken")

    host = Scripted(status(500), gated(gate, ok()))
    async with asking(host, clock) as upstream, anyio.create_task_group() as callers:
        for progress in (broken, stuck, seen):
            callers.start_soon(ask, upstream, progress)
        await settled()
        gate.set()
        await settled()
        assert got == ["broken", 1]
        assert len(seen) == 1
        callers.cancel_scope.cancel()
    assert len(host) == 2


async def test_redirects_are_followed_relative_ones_too(clock):
    host = Scripted((301, {"headers": {"Location": "/moved"}}), ok())
    async with asking(host, clock) as upstream:
        assert await outcome(upstream) == 1
    assert [request.url.path for request in host.requests] == ["/item", "/moved"]


@pytest.mark.parametrize(
    ("location", "known"),
    [
        ("/moved", True),
        ("http://host.invalid/moved", True),
        ("https://host.invalid/moved", True),
        ("http://host.invalid:8080/moved", False),
    ],
)
async def test_the_password_of_a_url_goes_where_it_was_given_for(clock, location, known):
    host = Scripted((301, {"headers": {"Location": location}}), ok())
    async with asking(host, clock) as upstream:
        assert await outcome(upstream, item("http://me:p%40ss@host.invalid/item")) == 1
    sent = [request.headers.get("Authorization") for request in host.requests]
    assert sent == ["Basic bWU6cEBzcw==", "Basic bWU6cEBzcw==" if known else None]


async def test_a_password_is_not_sent_in_the_clear_after_tls(clock):
    host = Scripted((301, {"headers": {"Location": "http://host.invalid/moved"}}), ok())
    async with asking(host, clock) as upstream:
        assert await outcome(upstream, item("https://me:p%40ss@host.invalid/item")) == 1
    assert ["Authorization" in request.headers for request in host.requests] == [True, False]


async def test_a_request_says_who_asks_for_what_and_how_long_it_may_take(clock):
    host = Scripted(ok())
    async with asking(host, clock, user_agent="me (me@example.com)", connect_timeout_seconds=2) as upstream:
        await upstream.get(item())
    [request] = host.requests
    asked = {"host": "host.invalid", "user-agent": "me (me@example.com)", "accept": "application/geo+json"}
    assert dict(request.headers) == {**asked, "accept-encoding": "identity"}
    assert request.extensions["timeout"] == {"connect": 2, "read": 5, "write": 5, "pool": 5}


@pytest.mark.parametrize("location", [URL, "https://evil.invalid/item", "//evil.invalid/item"])
async def test_a_circle_of_redirects_and_one_to_another_host_are_errors(clock, location):
    host = Scripted((301, {"headers": {"Location": location}}))
    async with asking(host, clock) as upstream:
        with pytest.raises(Unavailable, match="it redirects to nowhere"):
            await upstream.get(item())
    assert {request.url.host for request in host.requests} == {"host.invalid"}


class Body(httpx.AsyncByteStream):
    """Ends never, and counts what was taken of it."""

    def __init__(self, chunk):
        self.chunk, self.taken, self.closed = chunk, 0, False

    async def __aiter__(self):
        while True:
            self.taken += 1
            yield self.chunk
            await anyio.lowlevel.checkpoint()

    async def aclose(self):
        self.closed = True


async def test_an_answer_without_end_is_an_error_and_is_read_no_further_than_the_bound(clock):
    body = Body(b" " * 65536)

    async def serve():
        return httpx.Response(200, stream=body, headers={"Content-Type": "application/json"})

    host = Scripted(serve)
    tracemalloc.start()
    async with asking(host, clock, breaker_failures=1) as upstream:
        with pytest.raises(BadAnswer) as told:
            await upstream.get(item())
        assert str(told.value) == (
            "The National Weather Service sent an answer that cannot be read: it is longer than 8 MiB."
            " Try again in a minute."
        )
        assert (len(host), body.taken, body.closed) == (1, MOST_BYTES // 65536 + 1, True)
        host.answers = [ok()]
        clock.now += 10
        assert await outcome(upstream) == 1
    assert tracemalloc.get_traced_memory()[1] < 4 * MOST_BYTES
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "most_bytes", "said"),
    [
        ("point", 256 << 10, "0.25 MiB"),
        ("observation", 256 << 10, "0.25 MiB"),
        ("forecast", 1 << 20, "1 MiB"),
        ("stations", 1 << 20, "1 MiB"),
        ("alerts", 2 << 20, "2 MiB"),
    ],
)
async def test_each_kind_of_answer_has_a_bound(clock, name, most_bytes, said):
    headers = {"Content-Type": "application/json"}
    content = b'{"value": 1}'.ljust(most_bytes)
    host = Scripted(*((200, {"content": content + more, "headers": headers}) for more in (b"", b" ")))
    async with asking(host, clock) as upstream:
        request = UpstreamRequest(URL, name, read, (10, 1000), STALE_S)
        assert await outcome(upstream, request) == 1
        clock.now += 10
        with pytest.raises(BadAnswer, match=f"it is longer than {said}"):
            await upstream.host.get(request, print)


async def test_of_an_answer_that_is_declared_too_long_nothing_is_read(clock):
    body = Body(b" " * 65536)
    headers = {"Content-Type": "application/json", "Content-Length": str(MOST_BYTES + 1)}

    async def serve():
        return httpx.Response(200, stream=body, headers=headers)

    async with asking(Scripted(serve), clock) as upstream:
        assert await outcome(upstream) == "BadAnswer"
    assert (body.taken, body.closed) == (0, True)


async def test_four_large_answers_at_a_time_have_a_place_in_memory(clock):
    gate, reading, most = anyio.Event(), 0, 0

    class Gated(Body):
        async def __aiter__(self):
            nonlocal reading, most
            yield b'{"value": 1}'.ljust(LARGE_BYTES)
            yield b" "
            reading += 1
            most = max(most, reading)
            await gate.wait()
            reading -= 1

    async def serve(request):
        stream = httpx.ByteStream(b'{"value": 2}') if request.url.path.endswith("small") else Gated(b"")
        return httpx.Response(200, stream=stream, headers={"Content-Type": "application/json"})

    async with asking(serve, clock) as upstream, anyio.create_task_group() as callers:
        for number in range(10):
            callers.start_soon(outcome, upstream, item(f"{URL}/{number}"))
        await settled()
        assert reading == PLACES
        assert await outcome(upstream, item(f"{URL}/small")) == 2
        gate.set()
    assert (most, reading) == (PLACES, 0)


async def test_an_error_holds_nothing_of_what_could_not_be_read(clock):
    class Value(ValueError):
        def __init__(self):
            alive.add(self)

    def unreadable(body):
        try:
            raise Value
        except ValueError as error:
            raise BadAnswer("it is odd") from error

    alive = weakref.WeakSet()
    async with asking(Scripted(ok()), clock) as upstream:
        gc.disable()  # Cycles would be found sometime.
        try:
            with pytest.raises(BadAnswer):
                await upstream.get(item(read=unreadable))
            await settled()
            assert len(alive) == 0
        finally:
            gc.enable()


async def test_a_failure_without_end_is_a_failure(clock):
    async def serve():
        return httpx.Response(503, stream=Body(b" " * 65536), headers={"Content-Type": "application/json"})

    host = Scripted(serve, ok())
    async with asking(host, clock) as upstream:
        assert await outcome(upstream) == 1
    assert len(host) == 2


async def test_an_answer_up_to_the_bound_is_read(clock):
    headers = {"Content-Type": "application/json"}
    host = Scripted((200, {"content": b'{"value": 1}'.ljust(MOST_BYTES), "headers": headers}))
    async with asking(host, clock) as upstream:
        assert await outcome(upstream) == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_no_answer_is_asked_for_compressed_and_one_that_is_all_the_same_is_not_inflated(clock, encoding):
    content = gzip.compress(b'{"value": 1}'.ljust(MOST_BYTES))
    host = Scripted((200, {"stream": httpx.ByteStream(content)}))
    host.answers[0][1]["headers"] = {"Content-Type": "application/json", "Content-Encoding": encoding}
    async with asking(host, clock) as upstream:
        with pytest.raises(Unavailable, match="it sent something that is not weather data"):
            await upstream.get(item())
    assert {request.headers["Accept-Encoding"] for request in host.requests} == {"identity"}


async def test_nothing_is_left_of_a_thousand_failures(clock):
    host = Scripted(status(400))
    async with asking(host, clock) as upstream:
        for number in range(1000):
            await outcome(upstream, item(f"{URL}/{number}"))
        gc.collect()
        assert (len(upstream._flights), upstream._cache.currsize) == (0, 0)
        assert upstream.host._limiters[0].statistics().borrowed_tokens == 0
