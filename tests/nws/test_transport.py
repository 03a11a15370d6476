"""Kept connections to a real server, which sends more than it was asked for."""

import json
import re
import ssl
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSListener

from tests.raw import TIMEOUT_S
from weather.nws.transport import READ_BYTES, Transport

pytestmark = pytest.mark.anyio


def plain(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def chunked(body):
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def once(response):
    return [response]


def twice(response):
    return [response + response]


def twice_apart(response):
    return [response, response]


def with_part_of_another(response):
    return [response + response[:20], response[20:]]


def with_garbage(response):
    return [response + b"0\r\n\r\n"]


class Service:
    """Answers each request with the number in its path, by `respond`; counts its connections."""

    def __init__(self, form, respond, size):
        self.form, self.respond, self.size, self.connections = form, respond, size, 0
        self.sent = anyio.Event()

    async def serve(self, stream):
        self.connections += 1
        received = b""
        async with stream:
            while True:
                try:
                    received += await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return
                while b"\r\n\r\n" in received:
                    head, _, received = received.partition(b"\r\n\r\n")
                    number = re.search(rb"/(\d+) ", head)[1].decode()
                    body = json.dumps({"number": number}).encode().ljust(self.size)
                    for part in self.respond(self.form(body)):
                        await stream.send(part)
                    self.sent.set()


@asynccontextmanager
async def serving(service, tls=None):
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with (
        TLSListener(listener, tls, standard_compatible=False) if tls else listener as served,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(served.serve, service.serve)
        yield f"127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


async def ask(http, service, url):
    service.sent = anyio.Event()
    response = await http.get(url, timeout=TIMEOUT_S)
    await service.sent.wait()
    return response.json()["number"]


@pytest.mark.parametrize("size", [30, READ_BYTES, 3 * READ_BYTES])
@pytest.mark.parametrize("form", [plain, chunked])
@pytest.mark.parametrize("respond", [once, twice, twice_apart, with_part_of_another, with_garbage])
async def test_an_unrequested_response_is_not_taken_for_that_to_the_next_request(form, respond, size):
    service = Service(form, respond, size)
    async with serving(service) as host, httpx.AsyncClient(transport=Transport(None)) as http:
        for number in range(5):
            assert await ask(http, service, f"http://{host}/{number}") == str(number)
    assert service.connections == (1 if respond is once else 5)


async def test_over_tls_too(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    for respond, connections in ((once, 1), (twice, 5)):
        service = Service(plain, respond, 30)
        async with serving(service, tls) as host, httpx.AsyncClient(transport=Transport(None)) as http:
            for number in range(5):
                assert await ask(http, service, f"https://{host}/{number}") == str(number)
        assert service.connections == connections
