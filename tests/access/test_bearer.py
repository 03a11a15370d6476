"""Bearer tokens at the handshake: fixed ones, a file of them, and JWTs with keys from an issuer of the tests."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from contextlib import contextmanager, suppress

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.conftest import ROOT, Clock
from tests.raw import TIMEOUT_S, answering, posted
from tests.raw import request as message
from weather.access.bearer import is_among
from weather.access.handshake import Access
from weather.config import Settings
from weather.errors import Refusal, SettingError

pytestmark = pytest.mark.anyio

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
STRANGER = ec.generate_private_key(ec.SECP256R1())


def public_jwk(key, algorithm, **members):
    return {**jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True), **members}


JWKS = {
    "keys": [
        public_jwk(RSA, "RS256", kid="rsa"),
        public_jwk(EC, "ES256", kid="ec", alg="ES256", use="sig"),
        public_jwk(ED, "EdDSA", kid="ed"),
    ]
}


class Issuer:
    """`answer` is what it sends next; None, and it hangs up."""

    url = ""

    def __init__(self):
        self.begin()

    def begin(self):
        self.answer = 200, JWKS
        self.fetches = 0
        self.asked, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, path):
        self.fetches += 1
        self.asked.set()
        self.gate.wait(TIMEOUT_S)
        if self.answer is None:
            raise ConnectionError
        return self.answer if path == "/keys" else (404, {})


@pytest.fixture(scope="module")
def started():
    issuer = Issuer()
    with answering(issuer) as issuer.url:
        yield issuer


@pytest.fixture
def issuer(started):
    started.begin()
    yield started
    started.gate.set()


FAR = 4_102_444_800  # the year 2100: in the names of tests, two collections must agree


def token(key=EC, algorithm="ES256", kid="ec", drop=(), times=None, **claims):
    """`times` are claims in seconds from now."""
    times = {name: int(time.time()) + seconds for name, seconds in ({"exp": 60} | (times or {})).items()}
    payload = {**times, "iss": "issuer", "aud": "weather", "scope": "read mcp", **claims}
    payload = {name: value for name, value in payload.items() if name not in drop}
    headers = {"kid": kid} if kid else None
    return jwt.PyJWS().encode(json.dumps(payload).encode(), key, algorithm, headers=headers)


def forged(header, payload=None):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(payload or {'exp': FAR})}.AAAA"


def scope_with(*authorization, query=b""):
    return {
        "type": "websocket",
        "path": "/ws",
        "query_string": query,
        "headers": [
            (b"host", b"h"),
            *((b"authorization", value.encode("latin-1")) for value in authorization),
        ],
        "subprotocols": [],
    }


def jwt_access(issuer, clock=time.monotonic, **changes):
    wanted = {"mcp_auth_issuer": "issuer", "mcp_auth_audience": "weather", "mcp_auth_scope": "mcp", **changes}
    return Access(Settings.read(mcp_auth_jwks_url=f"{issuer.url}/keys", **wanted), clock)


async def admit(access, bearer):
    return await access.admit(scope_with(f"Bearer {bearer}"))


async def refusal_of(access, *authorization, query=b""):
    with pytest.raises(Refusal) as caught:
        await access.admit(scope_with(*authorization, query=query))
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert not any(part in shown for value in authorization for part in value.split()[1:])
    return caught.value


async def refused(access, bearer):
    refusal = await refusal_of(access, f"Bearer {bearer}")
    return refusal.status, refusal.reason


# Presenting a token


async def test_without_token_settings_everybody_passes_with_whatever_token():
    assert (await Access(Settings.read()).admit(scope_with("Bearer a", "Basic b"))).expires_at is None


@pytest.mark.parametrize("authorization", [[], ["Basic c2VjcmV0"], ["Bearer"], ["Bearer  "], [""], ["secret-1"]])
async def test_without_a_bearer_token_the_challenge_holds_no_error(authorization):
    """RFC 6750 section 3.1: no error code when the request lacks any authentication information."""
    refusal = await refusal_of(Access(Settings.read(mcp_auth_tokens="secret-1")), *authorization)
    assert (refusal.status, refusal.reason) == (401, "token_missing")
    assert refusal.headers == {"www-authenticate": 'Bearer realm="weather"'}
    assert "query" not in refusal.message


async def test_a_token_in_the_query_string_is_not_accepted_and_the_message_says_so():
    access = Access(Settings.read(mcp_auth_tokens="secret-1"))
    refusal = await refusal_of(access, query=b"a=b&access_token=secret-1")
    assert refusal.reason == "token_missing"
    assert "query string is not accepted" in refusal.message
    assert "secret-1" not in refusal.message


async def test_two_authorization_headers_are_a_bad_request():
    refusal = await refusal_of(Access(Settings.read(mcp_auth_tokens="secret-1")), "Bearer secret-1", "Bearer x1")
    assert (refusal.status, refusal.reason) == (400, "token_invalid")
    assert 'error="invalid_request"' in refusal.headers["www-authenticate"]


# Fixed tokens


@pytest.mark.parametrize("authorization", ["Bearer secret-1", "bearer secret-2", "BEARER  secret-2"])
async def test_each_fixed_token_passes_and_does_not_end(authorization):
    access = Access(Settings.read(mcp_auth_tokens="secret-1, secret-2"))
    assert (await access.admit(scope_with(authorization))).expires_at is None


@pytest.mark.parametrize("presented", ["secret-", "secret-11", "SECRET-1", "secret-1,secret-2", "s\xe9cret"])
async def test_another_token_does_not_pass(presented):
    refusal = await refusal_of(Access(Settings.read(mcp_auth_tokens="secret-1,secret-2")), f"Bearer {presented}")
    assert (refusal.status, refusal.reason) == (401, "token_invalid")
    assert refusal.headers["www-authenticate"] == (
        'Bearer realm="weather", error="invalid_token", error_description="The access token is not valid"'
    )


def test_every_token_is_compared_even_after_one_fits():
    seen = []
    assert is_among(b"1", (seen.append(number) or str(number).encode() for number in range(3)))
    assert seen == [0, 1, 2]


async def test_the_token_file_counts_as_it_is_now(tmp_path):
    file = tmp_path / "tokens"
    file.write_bytes(b"\xef\xbb\xbffirst\r\n\r\n  # not-this\n second \n")
    access = Access(Settings.read(mcp_auth_tokens_file=file, mcp_auth_tokens="fixed"))
    for passing in ("first", "second", "fixed"):
        await admit(access, passing)
    for wrong in ("#", "not-this", "# not-this"):
        assert await refused(access, wrong) == (401, "token_invalid")

    file.write_text("second\nthird\n")
    assert await refused(access, "first") == (401, "token_invalid")
    await admit(access, "third")


@pytest.mark.parametrize("content", [None, "", "\n# only a comment\n"])
async def test_without_a_usable_token_file_nobody_passes_and_one_line_says_why(content, tmp_path, caplog):
    file = tmp_path / "tokens"
    file.write_text("first")
    settings = Settings.read(mcp_auth_tokens_file=file)
    access = Access(settings)
    for _ in range(2):
        await admit(access, "first")
        file.unlink() if content is None else file.write_text(content)
        caplog.clear()
        for _ in range(3):
            assert await refused(access, "first") == (401, "token_invalid")
        assert len(caplog.records) == 1
        with pytest.raises(SettingError, match=r"MCP_AUTH_TOKENS_FILE is .*a readable file with a token in each line"):
            Access(settings)
        file.write_text("first")


@pytest.mark.parametrize("authorization", [[], ["Bearer s3cret"]])
async def test_a_token_as_subprotocol_counts_in_a_handshake_only(authorization):
    access = Access(Settings.read(mcp_auth_tokens="s3cret"))
    scope = scope_with(*authorization)
    offered = scope["headers"] + [(b"sec-websocket-protocol", b"mcp, mcp.auth.s3cret")]
    over_http = {**scope, "type": "http", "path": "/mcp", "headers": offered}
    in_handshake = {**scope, "headers": offered}
    for request, passes in ((over_http, bool(authorization)), (in_handshake, not authorization)):
        if passes:
            await access.authorize(request)
        else:
            with pytest.raises(Refusal) as refusal:
                await access.authorize(request)
            assert refusal.value.reason == ("token_invalid" if authorization else "token_missing")


# JWTs


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        (RSA, "RS256", "rsa"),
        (RSA, "RS512", "rsa"),
        (RSA, "PS384", "rsa"),
        (EC, "ES256", "ec"),
        (ED, "EdDSA", "ed"),
        (EC, "ES256", None),
    ],
)
async def test_a_token_of_the_issuer_passes_until_it_expires(issuer, key, algorithm, kid):
    end = int(time.time()) + 60
    admission = await admit(jwt_access(issuer), token(key, algorithm, kid, exp=end))
    assert admission.expires_at == end


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "mcp"},
        {"scp": "mcp", "drop": ["scope"]},
        {"scp": ["read", "mcp"], "drop": ["scope"]},
        {"aud": ["other", "weather"]},
        {"times": {"exp": -2}},
        {"times": {"nbf": 5}},
    ],
)
async def test_claims_that_pass(issuer, claims):
    await admit(jwt_access(issuer), token(**claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"drop": ["exp"]},
        {"iss": "other"},
        {"iss": ["issuer"]},
        {"drop": ["iss"]},
        {"aud": "other"},
        {"aud": {"weather": 1}},
        {"drop": ["aud"]},
        {"times": {"nbf": 60}},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"exp": 10**400},
        {"exp": [1]},
        {"sub": 7},
        {"key": STRANGER},
        {"key": RSA, "algorithm": "RS256"},
        {"kid": "rsa"},
        {"kid": "unknown"},
    ],
)
async def test_a_token_with_another_key_or_other_claims_is_not_valid(issuer, claims):
    refusal = await refusal_of(jwt_access(issuer), f"Bearer {token(**claims)}")
    assert (refusal.status, refusal.reason) == (401, "token_invalid")
    assert 'error_description="The access token is not valid"' in refusal.headers["www-authenticate"]


async def test_the_only_reason_given_is_that_it_expired(issuer):
    refusal = await refusal_of(jwt_access(issuer), f"Bearer {token(exp=int(time.time()) - 60)}")
    assert (refusal.status, refusal.reason) == (401, "token_invalid")
    assert refusal.headers["www-authenticate"] == (
        'Bearer realm="weather", error="invalid_token", error_description="The access token expired"'
        ', resource_metadata="http://h/.well-known/oauth-protected-resource/ws"'
    )


async def test_issuer_audience_and_scope_do_not_matter_where_none_is_set(issuer):
    unset = dict.fromkeys(("mcp_auth_issuer", "mcp_auth_audience", "mcp_auth_scope"))
    await admit(jwt_access(issuer, **unset), token(iss="any", aud="any", scope=""))


@pytest.mark.parametrize(
    "claims",
    [
        {"drop": ["scope"]},
        {"scope": "mcpx read"},
        {"scope": None},
        {"scope": {"mcp": 1}},
        {"scp": [1, ["mcp"]], "scope": ""},
    ],
)
async def test_a_token_without_the_scope_is_refused_with_its_name(issuer, claims):
    refusal = await refusal_of(jwt_access(issuer, mcp_auth_scope="mcp  tools"), f"Bearer {token(**claims)}")
    assert (refusal.status, refusal.reason) == (403, "scope")
    assert refusal.headers["www-authenticate"] == (
        'Bearer realm="weather", error="insufficient_scope", scope="mcp tools"'
        ', resource_metadata="http://h/.well-known/oauth-protected-resource/ws"'
    )


def hs256_with_public_key():
    """Algorithm confusion (RFC 8725 section 2.1): the public key used as an HMAC secret."""
    pem = EC.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    unsigned = forged({"alg": "HS256", "kid": "ec"}).rpartition(".")[0]
    mac = hmac.digest(pem, unsigned.encode(), hashlib.sha256)
    return f"{unsigned}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "bad",
    [
        hs256_with_public_key(),
        jwt.encode({"exp": FAR}, None, "none", headers={"kid": "ec"}),
        forged({"kid": "ec"}),
        forged({"alg": "ES256K", "kid": "ec"}),
        forged({"alg": ["ES256"], "kid": "ec"}),
        forged({"alg": "ES256", "kid": {"a": 1}}),
        forged({"alg": "ES256", "kid": "ec", "crit": ["exp"]}),
        forged(["ES256"]),
        base64.urlsafe_b64encode(b"[" * 2000).decode() + ".e30.AAAA",
        "not-a-jwt",
        "a.b",
        "....",
        "\xff.\xff.\xff",
    ],
)
async def test_what_is_no_token_of_an_asymmetric_algorithm_is_not_valid(issuer, bad):
    assert await refused(jwt_access(issuer), bad) == (401, "token_invalid")


async def test_a_fixed_token_passes_beside_jwts_and_needs_no_key(issuer):
    access = jwt_access(issuer, mcp_auth_tokens="fixed")
    await admit(access, "fixed")
    assert issuer.fetches == 0
    await admit(access, token())
    assert await refused(access, "fixed2") == (401, "token_invalid")


# The issuer's keys


async def test_no_key_is_fetched_for_another_kind_of_token(issuer):
    for bad in (hs256_with_public_key(), forged({"alg": ["ES256"]}), forged({"kid": "ec"}), "not-a-jwt"):
        assert await refused(jwt_access(issuer), bad) == (401, "token_invalid")
    assert issuer.fetches == 0


async def test_keys_are_kept_for_ten_minutes(issuer):
    clock = Clock(1000.0)
    access = jwt_access(issuer, clock)
    for later, fetches in ((0, 1), (599, 1), (1, 2), (1, 2)):
        clock.now += later
        await admit(access, token())
        assert issuer.fetches == fetches


async def test_an_unknown_key_id_fetches_the_keys_again_but_not_twice_in_30_seconds(issuer):
    clock = Clock(1000.0)
    access = jwt_access(issuer, clock)
    await admit(access, token())
    clock.now += 31
    for kid in ("guess-1", "guess-2", "guess-3"):
        assert await refused(access, token(kid=kid)) == (401, "token_invalid")
        clock.now += 9
    assert issuer.fetches == 2

    issuer.answer = 200, {"keys": [*JWKS["keys"], public_jwk(STRANGER, "ES256", kid="new")]}
    clock.now += 3
    await admit(access, token(STRANGER, kid="new"))
    assert issuer.fetches == 3


FAILURES = [
    (500, JWKS),
    (302, JWKS, ("Location", "/keys?elsewhere")),
    (302, b"", ("Location", "file:///dev/null")),
    (200, b"<html>"),
    (200, b"[" * 2000),
    (200, b"\xff\xfe\x00"),
    (200, b" " * (2 * 1024 * 1024) + json.dumps(JWKS).encode()),
    (200, gzip.compress(json.dumps(JWKS).encode()), ("Content-Encoding", "gzip")),
    (200, []),
    (200, {"keys": {}}),
    (200, {"keys": 7}),
    (200, {"keys": []}),
    (200, {"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}),
]


@pytest.mark.parametrize("failure", FAILURES, ids=range(len(FAILURES)))
async def test_without_any_key_the_handshake_may_come_again(issuer, failure, caplog):
    issuer.answer, clock = failure, Clock(1000.0)
    access = jwt_access(issuer, clock)
    for _ in range(2):
        refusal = await refusal_of(access, f"Bearer {token()}")
        assert (refusal.status, refusal.reason, refusal.headers) == (503, "keys", {"retry-after": "5"})
        clock.now += 4.9 / 2
    assert issuer.fetches == 1
    assert len(caplog.records) == 1

    issuer.answer = 200, JWKS
    clock.now += 0.2
    await admit(access, token())


@pytest.mark.parametrize("failure", [None, FAILURES[0], FAILURES[3]], ids=["cut", "500", "HTML"])
async def test_keys_stay_in_use_while_the_issuer_is_down(issuer, failure):
    clock = Clock(1000.0)
    access = jwt_access(issuer, clock)
    await admit(access, token())
    issuer.answer = failure
    for _ in range(3):
        clock.now += 3600
        await admit(access, token())
        await admit(access, token())
    assert issuer.fetches == 4
    assert await refused(access, token(kid="unknown")) == (401, "token_invalid")


async def test_only_keys_that_can_check_signatures_are_taken_and_bad_ones_do_not_spoil_the_rest(issuer):
    odd = [
        7,
        {},
        {"kty": "RSA"},
        {"kty": "RSA", "n": 5, "e": []},
        {"kty": "RSA", "n": "\u00e9", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
        {"kty": ["EC"], "crv": {}, "alg": {}},
        public_jwk(EC, "ES256", kid="enc", use="enc"),
        public_jwk(EC, "ES256", kid="curve", alg="ES384"),
        public_jwk(RSA, "RS256", kid="hmac", alg="HS256"),
        public_jwk(EC, "ES256", kid="good", d=7),
        public_jwk(RSA, "RS256", kid="private", d=7),
        public_jwk(RSA, "RS256", kid="PS256 only", alg="PS256"),
    ]
    issuer.answer = 200, {"keys": odd}
    access = jwt_access(issuer)
    await admit(access, token(kid="good"))
    await admit(access, token(RSA, "RS384", kid="private"))
    await admit(access, token(RSA, "PS256", kid="PS256 only"))
    for kid in ("enc", "curve"):
        assert await refused(access, token(kid=kid)) == (401, "token_invalid")
    for kid in ("hmac", "PS256 only"):
        assert await refused(access, token(RSA, "RS256", kid)) == (401, "token_invalid")


async def test_a_key_of_another_curve_verifies_nothing(issuer):
    large = ec.generate_private_key(ec.SECP384R1())
    issuer.answer = 200, {"keys": [public_jwk(large, "ES384", kid="large")]}
    access = jwt_access(issuer)
    await admit(access, token(large, "ES384", "large"))
    assert await refused(access, forged({"alg": "ES256", "kid": "large"})) == (401, "token_invalid")


async def test_a_key_that_is_too_small_verifies_nothing(issuer):
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    issuer.answer = 200, {"keys": [public_jwk(small, "RS256", kid="small")]}
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        bearer = token(small, "RS256", "small")
    assert await refused(jwt_access(issuer), bearer) == (401, "token_invalid")


async def test_without_a_key_id_only_one_key_may_match(issuer):
    issuer.answer = 200, {"keys": [public_jwk(EC, "ES256", kid="a"), public_jwk(STRANGER, "ES256", kid="b")]}
    access = jwt_access(issuer)
    assert await refused(access, token(kid=None)) == (401, "token_invalid")
    await admit(access, token(kid="a"))


async def test_handshakes_at_the_same_time_share_one_fetch(issuer):
    issuer.gate.clear()
    access = jwt_access(issuer)
    handshakes = [asyncio.create_task(admit(access, token())) for _ in range(50)]
    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.to_thread(issuer.asked.wait)
        issuer.gate.set()
        await asyncio.gather(*handshakes)
    assert issuer.fetches == 1


async def test_a_known_key_does_not_wait_for_the_fetch_of_an_unknown_one(issuer):
    clock = Clock(1000.0)
    access = jwt_access(issuer, clock)
    await admit(access, token())
    clock.now += 31
    issuer.asked.clear(), issuer.gate.clear()
    stranger = asyncio.create_task(refused(access, token(kid="unknown")))
    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.to_thread(issuer.asked.wait)
        await admit(access, token())
        assert not stranger.done()
        issuer.gate.set()
        assert await stranger == (401, "token_invalid")


@contextmanager
def dripping(certificate, sent):
    """The URL of a server that sends this over TLS to one client and a byte each 0.2 s after it, and two events: the
    client has come, and has left.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    came, left = threading.Event(), threading.Event()

    def drip(listening):
        with suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True) as client:
            client.sendall(sent)
            came.set()
            while not left.wait(0.2):
                client.sendall(b" ")
        left.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(TIMEOUT_S)
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}/", came, left
        left.set()
        thread.join(TIMEOUT_S)


@pytest.mark.parametrize("sent", [b"HTTP/1.1 200 OK\r\nX-Header: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["header", "body"])
def test_an_issuer_whose_answer_drips_holds_up_no_stop(serve, certificate, sent):
    """What waits for keys gets its answer first."""
    asked = posted(message(1, "ping")).replace(b"\r\n", f"\r\nAuthorization: Bearer {token()}\r\n".encode(), 1)
    with dripping(certificate, sent) as (url, came, left):
        server = serve(MCP_AUTH_JWKS_URL=url, SSL_CERT_FILE=str(certificate), MCP_GRACE_SECONDS="100")
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as client, client.makefile("rb") as file:
            client.sendall(asked)
            assert came.wait(TIMEOUT_S)
            assert server.stop() == 0
            assert file.readline().split() == [b"HTTP/1.1", b"503"]
        assert left.wait(TIMEOUT_S)
        assert "Traceback" not in server.log


@pytest.mark.parametrize(
    "sent",
    [b"", b"HTTP/1.1 200 OK\r\nX-Header: ", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["silent", "dripping header", "dripping body"],
)
async def test_an_issuer_without_end_holds_up_no_handshake_and_keeps_no_connection(sent):
    left, threads = asyncio.Event(), threading.active_count()

    async def drip(reader, writer):
        writer.write(sent)
        until_the_end = asyncio.create_task(reader.read())
        while not until_the_end.done():
            writer.write(sent and b" ")
            await asyncio.wait([until_the_end], timeout=0.2)
        with suppress(ConnectionError):
            await until_the_end
        writer.close()
        left.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server, asyncio.timeout(TIMEOUT_S):
        port = server.sockets[0].getsockname()[1]
        access = Access(Settings.read(mcp_auth_jwks_url=f"http://127.0.0.1:{port}/"))
        tasks = asyncio.all_tasks()
        assert await refused(access, token()) == (503, "keys")
        await left.wait()
        await asyncio.gather(*(asyncio.all_tasks() - tasks))
        assert threading.active_count() <= threads


@pytest.mark.parametrize(("url", "loaded"), [(None, []), ("http://127.0.0.1:1/", ["cryptography", "jwt"])])
def test_what_verifies_jwts_is_only_loaded_where_the_setting_asks_for_it(url, loaded):
    code = (
        "import sys, app\nfrom weather.access import Access\nfrom weather.config import Settings\n"
        f"Access(Settings.read(mcp_auth_jwks_url={url!r}))\n"
        "print(*sorted({'jwt', 'cryptography'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert (run.stdout.split(), run.stderr) == (loaded, "")


@pytest.mark.parametrize("user", ["s3cret", "user:s3cret", ":s3cret"])
def test_an_issuer_with_a_password_in_its_url_is_refused_at_the_start_and_not_shown(user):
    settings = Settings.read(mcp_auth_jwks_url=f"http://{user}@127.0.0.1:1/@keys")
    with pytest.raises(SettingError) as refused:
        Access(settings)
    assert str(refused.value) == "MCP_AUTH_JWKS_URL is '***', and should be a URL without user and password."


async def test_a_proxy_is_not_asked_for_this_machine(issuer, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    await admit(jwt_access(issuer), token())


async def test_a_proxy_is_asked_for_others(issuer, monkeypatch):
    monkeypatch.setenv("http_proxy", issuer.url)
    access = Access(Settings.read(mcp_auth_jwks_url="http://issuer.invalid/keys"))
    assert await refused(access, token()) == (503, "keys")
    assert issuer.fetches == 1


async def test_no_token_is_logged(issuer, caplog):
    caplog.set_level(logging.DEBUG)
    bearers = [token(), token(exp=1), token(kid="unknown"), "not-a-jwt", hs256_with_public_key()]
    for bearer in bearers:
        try:
            await admit(jwt_access(issuer), bearer)
        except Refusal:
            continue
    assert not any(part in caplog.text for bearer in bearers for part in bearer.split("."))
