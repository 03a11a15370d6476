"""Path, subprotocol, Host and Origin; what tokens do is in test_bearer.py."""

import pytest

from tests.raw import Raw
from weather.access import Access, Admission, check_host_and_origin
from weather.access.handshake import base_url, negotiate
from weather.config import Settings
from weather.errors import Refusal

pytestmark = pytest.mark.anyio

LOOPBACK = ("127.0.0.1", 8000)
OUTSIDE = ("10.0.0.7", 8080)


def handshake(*headers, path="/ws", host="localhost:8000", server=LOOPBACK, query=b"", **changes):
    """A scope as hypercorn builds it: the subprotocols are those of the last header line."""
    lines = [(b"host", host.encode("latin-1"))] if host is not None else []
    lines += [(name.encode(), value.encode("latin-1")) for name, value in headers]
    offers = [value.decode("latin-1") for name, value in lines if name == b"sec-websocket-protocol"]
    return {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": lines,
        "server": server,
        "subprotocols": [offer.strip() for offer in offers[-1].split(",")] if offers else [],
        **changes,
    }


def refused(check, *args):
    with pytest.raises(Refusal) as refusal:
        check(*args)
    return refusal.value.status, refusal.value.reason


def allowing(**lists):
    """Settings with these lists, "" being unset."""
    return Settings.read(**{f"mcp_allowed_{name}": allowed for name, allowed in lists.items() if allowed})


@pytest.mark.parametrize("scope", [handshake(query=b"any=thing"), handshake(raw_path=None)])
async def test_only_the_endpoint_is_served(scope):
    assert await Access(Settings.read()).admit(scope) == Admission(None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/"},
        {"path": "/ws/"},
        {"path": "//ws"},
        {"path": "/WS"},
        {"path": "/ws/../ws"},
        {"path": "/ws", "raw_path": b"/%77s"},
        {"path": "/ws", "raw_path": b"http://localhost/ws"},
    ],
)
async def test_another_spelling_of_the_path_is_not_the_endpoint(changes):
    with pytest.raises(Refusal) as refusal:
        await Access(Settings.read()).admit(handshake(**changes))
    assert (refusal.value.status, refusal.value.reason) == (404, "path")


def offering(*lines):
    return handshake(*(("sec-websocket-protocol", line) for line in lines))


@pytest.mark.parametrize(
    ("lines", "accepted"),
    [
        ([], None),
        ([""], None),
        (["mcp"], "mcp"),
        (["mcp, other"], "mcp"),
        (["other,mcp"], "mcp"),
        (["other", "mcp"], "mcp"),
    ],
)
def test_mcp_is_accepted_where_it_was_offered(lines, accepted):
    assert negotiate(offering(*lines)) == accepted


@pytest.mark.parametrize("lines", [["other"], ["MCP"], ["mcp2, xmcp"], ["other", "another"], ["other", ""]])
def test_only_other_subprotocols_are_refused(lines):
    assert refused(negotiate, offering(*lines)) == (400, "subprotocol")


@pytest.mark.parametrize("lines", [["mcp", "other"], ["a, mcp", "other"], ["mcp", ""]])
def test_mcp_in_a_line_that_hypercorn_drops_is_refused_and_the_message_says_how_to_offer_it(lines):
    with pytest.raises(Refusal, match="one Sec-WebSocket-Protocol header line"):
        negotiate(offering(*lines))


def test_the_offers_of_the_scope_count_where_the_header_is_not_shown():
    assert negotiate(handshake(subprotocols=["mcp"])) == "mcp"
    assert refused(negotiate, handshake(subprotocols=["other"])) == (400, "subprotocol")


NOT_ASCII = ["caf\xe9", "mcp, caf\xe9", "caf\xe9, mcp", "mcp, mcp.auth.caf\xe9"]


@pytest.mark.parametrize("subprotocols", [["mcp"], ["mcp", "caf\xe9"], []])
@pytest.mark.parametrize("line", NOT_ASCII)
def test_offers_that_are_not_ascii_are_refused_however_a_server_reads_them(line, subprotocols):
    scope = handshake(("sec-websocket-protocol", line), subprotocols=subprotocols)
    assert refused(negotiate, scope) == (400, "subprotocol")


@pytest.mark.parametrize("line", NOT_ASCII)
def test_offers_that_are_not_ascii_get_a_400_from_hypercorn_and_leave_no_traceback(server, line):
    with Raw(server.port, **{"Sec-WebSocket-Protocol": line}) as raw:
        assert raw.answer.split()[1] == "400"
    assert "Traceback" not in server.log


def test_a_refused_subprotocol_is_not_shown_since_it_may_carry_a_token():
    with pytest.raises(Refusal) as refusal:
        negotiate(offering("bearer.s3cret"))
    assert "s3cret" not in refusal.value.message


@pytest.mark.parametrize(
    ("host", "server", "allowed"),
    [
        ("localhost:8000", LOOPBACK, ""),
        ("LOCALHOST", LOOPBACK, ""),
        ("app.localhost:1", LOOPBACK, ""),
        ("127.0.0.1:8000", LOOPBACK, ""),
        ("127.8.8.8", ("127.8.8.8", 80), ""),
        ("[::1]:8000", ("::1", 8000), ""),
        ("localhost", ("::ffff:127.0.0.1", 8000), ""),
        ("weather.example", OUTSIDE, ""),
        ("weather.example", ("::ffff:10.0.0.7", 8080), ""),
        ("weather.example", None, ""),
        ("weather.example", ("/run/weather.sock", None), ""),
        ("weather.example", LOOPBACK, "weather.example"),
        ("Weather.Example:444", OUTSIDE, "other.example, WEATHER.example"),
        ("weather.example:8443", OUTSIDE, "weather.example:8443"),
        ("weather.example", OUTSIDE, "weather.example:443"),
        ("weather.example:", OUTSIDE, "weather.example"),
        ("[2001:DB8::1]:80", OUTSIDE, "[2001:db8::1]"),
        ("any.example", LOOPBACK, "*"),
        ("a.weather.example", LOOPBACK, "*.weather.example"),
        ("A.b_c.Weather.example:8080", OUTSIDE, "*.Weather.example"),
        ("a.weather.example:8443", OUTSIDE, "*.weather.example:8443"),
        ("a.weather.example", OUTSIDE, "*.weather.example:443"),
        ("a.weather.example:9", OUTSIDE, "*.weather.example:*"),
        ("app.localhost:5173", LOOPBACK, "*.localhost"),
        ("localhost", LOOPBACK, "localhost:*"),
        ("localhost:5173", LOOPBACK, "localhost:*"),
        ("[::1]:5173", LOOPBACK, "[::1]:*"),
        ("[fd00::7]:8080", OUTSIDE, "fd00::7"),
    ],
)
def test_a_host_that_passes(host, server, allowed):
    check_host_and_origin(handshake(host=host, server=server), allowing(hosts=allowed))


FOREIGN = ("example.com", "evil-example.com", "evilexample.com", "example.com.evil.com", "a.example.com.evil.com")
FOREIGN += ("a.example-com", "a.exampleXcom", "a.example.com.", ".example.com", "a..example.com", "example.com:80")
FOREIGN += ("a.example.co", "com", "localhost", "127.0.0.1", "[::1]")


@pytest.mark.parametrize(
    ("host", "server", "allowed"),
    [
        ("weather.example", LOOPBACK, ""),
        ("weather.example", ("::1", 8000), ""),
        ("weather.example", ("::ffff:127.0.0.1", 8000), ""),
        ("127.0.0.1.evil.example", LOOPBACK, ""),
        ("localhost.evil.example", LOOPBACK, ""),
        ("evillocalhost", LOOPBACK, ""),
        ("0.0.0.0:8000", LOOPBACK, ""),
        ("10.0.0.7", LOOPBACK, ""),
        ("localhost", LOOPBACK, "weather.example"),
        ("sub.weather.example", OUTSIDE, "weather.example"),
        ("weather.example.evil.example", OUTSIDE, "weather.example"),
        ("weather.example:80", OUTSIDE, "weather.example:8443"),
        ("weather.example", OUTSIDE, "weather.example:8443"),
        *((host, LOOPBACK, "*.example.com") for host in FOREIGN),
        *((host, LOOPBACK, "*.example.com:*") for host in FOREIGN),
        ("a.example.com:80", OUTSIDE, "*.example.com:8443"),
        ("127.0.0.1", LOOPBACK, "localhost:*"),
        ("evil-localhost:5173", LOOPBACK, "localhost:*"),
        ("localhost.evil.example:5173", LOOPBACK, "localhost:*"),
    ],
)
def test_a_host_of_somebody_else_is_misdirected(host, server, allowed):
    settings = allowing(hosts=allowed)
    assert refused(check_host_and_origin, handshake(host=host, server=server), settings) == (421, "host")


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "a b",
        "user@localhost",
        "localhost:http",
        "localhost:8000:1",
        "a,b",
        "::1",
        "[::1",
        "h\u00f6st",
        "a/b",
    ],
)
def test_a_host_that_is_missing_or_malformed_is_a_bad_request_whatever_is_allowed(host):
    settings = Settings.read(mcp_allowed_hosts="*")
    assert refused(check_host_and_origin, handshake(host=host), settings) == (400, "host")


def test_two_host_headers_are_a_bad_request():
    scope = handshake(("host", "localhost:8000"))
    assert refused(check_host_and_origin, scope, Settings.read()) == (400, "host")


def from_page(origin, host="weather.example"):
    return handshake(("origin", origin), host=host, server=OUTSIDE)


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://weather.example", "weather.example", ""),
        ("https://weather.example", "weather.example", ""),
        ("HTTPS://Weather.Example", "weather.example", ""),
        ("https://weather.example", "weather.example:443", ""),
        ("https://weather.example:443", "weather.example", ""),
        ("http://weather.example:8080", "weather.example:8080", ""),
        ("https://[::1]:8000", "[::1]:8000", ""),
        ("https://App.example", "weather.example", "https://other.example,https://app.example"),
        ("vscode-webview://abc", "weather.example", "vscode-webview://ABC"),
        ("https://any.example", "weather.example", "*"),
        ("https://a.example.com", "weather.example", "https://*.example.com"),
        ("HTTPS://A.b.Example.com", "weather.example", "https://*.Example.com"),
        ("https://a.example.com", "weather.example", "https://*.example.com:443"),
        ("https://app.example", "weather.example", "https://app.example:443"),
        ("http://app.example", "weather.example", "http://app.example:80"),
        ("https://a.example.com:8443", "weather.example", "https://*.example.com:*"),
        ("http://localhost:5173", "weather.example", "http://localhost:*"),
        ("http://localhost", "weather.example", "http://localhost:*"),
        ("http://[::1]:5173", "weather.example", "http://[::1]:*"),
    ],
)
def test_an_origin_that_passes(origin, host, allowed):
    check_host_and_origin(from_page(origin, host), allowing(origins=allowed))


FOREIGN_ORIGINS = (
    "null",
    "",
    "a.example.com",
    "http://a.example.com",
    "https://a.example.com:8443",
    "https://*.example.com",
)
FOREIGN_ORIGINS += ("https://evil.com/.example.com", "https://evil.com#.example.com", "https://evil.com:80.example.com")
FOREIGN_ORIGINS += ("https://evil.com\\.example.com", "https://evil@a.example.com", "https://evil.com\n.example.com")
FOREIGN_ORIGINS += ("https://a.example.com/", "https://a.example.com\n", "https://a.example.com, https://b.example.com")


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://evil.example", "weather.example", ""),
        ("https://weather.example.evil.example", "weather.example", ""),
        ("https://weather.example", "weather.example:80", ""),
        ("http://weather.example", "weather.example:443", ""),
        ("http://weather.example:8081", "weather.example:8080", ""),
        ("http://weather.example", "weather.example:8080", ""),
        ("ftp://weather.example", "weather.example", ""),
        ("weather.example", "weather.example", ""),
        ("https://", "weather.example", ""),
        ("", "weather.example", ""),
        ("null", "weather.example", "*"),
        ("https://sub.app.example", "weather.example", "https://app.example"),
        ("http://app.example", "weather.example", "https://app.example"),
        *((f"https://{host}", "weather.example", "https://*.example.com") for host in FOREIGN),
        *((f"https://{host}", "weather.example", "https://*.example.com:*") for host in FOREIGN),
        *((origin, "weather.example", "https://*.example.com") for origin in FOREIGN_ORIGINS),
        *((origin, "weather.example", "https://*.example.com:443") for origin in FOREIGN_ORIGINS),
        ("http://app.example:443", "weather.example", "https://app.example:443"),
        ("http://app.example", "weather.example", "http://app.example:443"),
        ("https://localhost:5173", "weather.example", "http://localhost:*"),
        ("http://localhost:5173.evil.example", "weather.example", "http://localhost:*"),
        ("http://localhost.evil.example", "weather.example", "http://localhost:*"),
        ("http://localhost:", "weather.example", "http://localhost:*"),
    ],
)
def test_a_page_of_another_site_is_refused(origin, host, allowed):
    settings = allowing(origins=allowed)
    scope = from_page(origin, host)
    assert refused(check_host_and_origin, scope, settings) == (403, "origin")
    assert Access(settings).cors_headers(scope) == {}


@pytest.mark.parametrize("allowed", ["https://*.example.com", "https://a.example.com:*", "*"])
def test_a_page_that_an_entry_matches_may_read_the_response(allowed):
    access = Access(allowing(origins=allowed))
    assert (
        access.cors_headers(from_page("https://A.example.com"))["access-control-allow-origin"]
        == "https://A.example.com"
    )
    assert access.cors_headers(handshake()) == {}


def test_two_origin_headers_are_refused_even_when_each_would_pass():
    scope = handshake(("origin", "https://a.example"), ("origin", "https://a.example"))
    settings = Settings.read(mcp_allowed_origins="*")
    assert refused(check_host_and_origin, scope, settings) == (403, "origin")


def test_header_names_count_in_any_case():
    """hypercorn's h11_pass_raw_headers hands them on as they came."""
    scope = handshake(("Origin", "https://evil.example"))
    assert refused(check_host_and_origin, scope, Settings.read()) == (403, "origin")


def test_a_message_shows_at_most_100_characters_and_nothing_unprintable():
    with pytest.raises(Refusal) as refusal:
        check_host_and_origin(from_page("https://\x1b[31m\xe9" + "a" * 500), Settings.read())
    message = refusal.value.message
    assert r"\x1b[31m\xe9" in message
    assert message.isascii()
    assert message.isprintable()
    assert message.count("a" * 80) == 1
    assert len(message) < 200


async def test_without_settings_a_local_client_is_admitted():
    access = Access(Settings.read())
    assert await access.admit(offering("mcp")) == Admission("mcp", None)
    assert await access.admit(handshake()) == Admission(None, None)


@pytest.mark.parametrize(
    ("valid", "reason"),
    [
        ({}, "path"),
        ({"path"}, "subprotocol"),
        ({"path", "subprotocol"}, "host"),
        ({"path", "subprotocol", "host"}, "origin"),
        ({"path", "subprotocol", "host", "origin"}, "token_missing"),
    ],
)
async def test_the_cheapest_check_comes_first(valid, reason):
    wrong = {"sec-websocket-protocol": "other", "origin": "https://evil.example"}
    right = {"sec-websocket-protocol": "mcp", "origin": "http://localhost:8000"}
    chosen = right if "origin" in valid else wrong
    scope = handshake(
        ("sec-websocket-protocol", (right if "subprotocol" in valid else wrong)["sec-websocket-protocol"]),
        ("origin", chosen["origin"]),
        path="/ws" if "path" in valid else "/",
        host="localhost:8000" if "host" in valid else "evil.example",
    )
    with pytest.raises(Refusal) as refusal:
        await Access(Settings.read(mcp_auth_tokens="secret")).admit(scope)
    assert refusal.value.reason == reason


def test_host_and_origin_count_whatever_the_path():
    check_host_and_origin(handshake(path="/metrics"), Settings.read())
    scope = handshake(path="/metrics", host="evil.example")
    assert refused(check_host_and_origin, scope, Settings.read()) == (421, "host")


@pytest.mark.parametrize(
    ("scheme", "forwarded", "url"),
    [
        ("ws", [], "http://localhost:8000"),
        ("wss", [], "https://localhost:8000"),
        ("https", [], "https://localhost:8000"),
        ("http", ["https"], "https://localhost:8000"),
        ("http", ["HTTPS"], "https://localhost:8000"),
        ("ws", ["wss"], "https://localhost:8000"),
        ("wss", ["ws"], "http://localhost:8000"),
        ("https", ["http"], "http://localhost:8000"),
        ("http", ["https, http"], "https://localhost:8000"),
        ("http", [" https ,http"], "https://localhost:8000"),
        ("https", ["http,https"], "http://localhost:8000"),
        ("http", ["https", "http"], "https://localhost:8000"),
        ("https", ["http", "https"], "http://localhost:8000"),
        ("https", [""], "https://localhost:8000"),
    ],
)
def test_the_first_scheme_that_a_proxy_forwards_is_the_clients(scheme, forwarded, url):
    assert base_url(handshake(*(("x-forwarded-proto", each) for each in forwarded), scheme=scheme)) == url
