"""Who may open a session: path, subprotocol, Host, Origin and bearer token, the cheapest first.

A refusal says what would be right. It shows Host and Origin as they came, escaped and cut to 100 characters;
never a path, a query string or a subprotocol, since clients have put tokens into all three.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mcp.shared.version import SUPPORTED_PROTOCOL_VERSIONS

from weather.config import Settings
from weather.errors import Refusal
from weather.session.bearer import Bearer, Clock
from weather.session.messages import VERSION

ENDPOINT = "/ws"
MCP = "/mcp"
PROTECTED_RESOURCE = "/.well-known/oauth-protected-resource"
PROTECTED_RESOURCES = (PROTECTED_RESOURCE, PROTECTED_RESOURCE + MCP, PROTECTED_RESOURCE + ENDPOINT)
SUBPROTOCOL, AUTH = "mcp", "mcp.auth."
VERSIONS = (VERSION, *reversed(SUPPORTED_PROTOCOL_VERSIONS))
SUBPROTOCOLS = (SUBPROTOCOL, *(f"mcp.version.{version}" for version in VERSIONS))
DEFAULT_PORTS = {"http": 80, "https": 443}
AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::([0-9]{0,5}))?")

Scope = MutableMapping[str, Any]


@dataclass(frozen=True)
class Admission:
    """What was negotiated, and when the token ends: epoch seconds, or None if it does not."""

    subprotocol: str | None
    expires_at: float | None


def header(scope: Scope, name: bytes) -> list[bytes]:
    """The values of every header line of that name; the scope keeps them by name, once looked for."""
    by_name = scope.get("weather.headers")
    if by_name is None:
        scope["weather.headers"] = by_name = {}
        for key, value in scope["headers"]:
            by_name.setdefault(key.lower(), []).append(value)
    return list(by_name.get(name, ()))


def check_request_line(scope: Scope) -> None:
    """Raises Refusal unless it names the endpoint letter by letter, nothing percent-encoded."""
    if scope["path"] != ENDPOINT or scope.get("raw_path") not in (None, ENDPOINT.encode()):
        raise Refusal(404, "path", f"The MCP endpoint is {ENDPOINT}.")


def negotiate(scope: Scope) -> str | None:
    """The subprotocol to accept (RFC 6455 section 4.2.2), None when none was offered; raises Refusal.

    hypercorn takes its offers from the last header line alone, and fails when another one is accepted. Beside "mcp" the
    names of a draft are understood, SEP-1288: "mcp.version.<version>", and "mcp.auth.<token>", which is never accepted.
    """
    for subprotocol in SUBPROTOCOLS:
        if subprotocol in scope["subprotocols"]:
            return subprotocol
    offered = _offered(scope)
    if SUBPROTOCOL in offered:
        raise Refusal(400, "subprotocol", "Send all subprotocols in one Sec-WebSocket-Protocol header line.")
    if any(offered) or any(scope["subprotocols"]):
        raise Refusal(400, "subprotocol", f"Offer the subprotocol '{SUBPROTOCOL}', or none at all.")
    return None


def _offered(scope: Scope) -> list[str]:
    lines = b",".join(header(scope, b"sec-websocket-protocol")).decode("latin-1")
    return [offer.strip() for offer in lines.split(",")]


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """127.0.0.0/8 and ::1, also as IPv6 sockets show IPv4 (::ffff:127.0.0.1); and the names that resolve there
    whatever DNS says (RFC 6761 section 6.3).
    """
    with suppress(ValueError):
        ip = ipaddress.ip_address(host.strip("[]"))
        return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def host_allowed(name: str, ports: set[int], server: Sequence[Any] | None, allowed: Sequence[str]) -> bool:
    """Whether an entry names it, with any port or with this one.

    Without a list, a connection to a loopback address must name one: a web page whose own name was made to
    resolve there would name that (DNS rebinding).
    """
    if not allowed:
        return not server or not is_loopback(str(server[0])) or is_loopback(name)
    fitting = {"*", name, *(f"{name}:{port}" for port in ports)}
    return any(entry.lower() in fitting for entry in allowed)


def origin_allowed(origin: str, name: str, ports: set[int], allowed: Sequence[str]) -> bool:
    """Whether this host (RFC 6454), or an entry. "null", as sandboxed pages send, is neither, and not meant by "*"."""
    fitting = {f"{scheme}://{name}:{port}" for scheme in DEFAULT_PORTS for port in ports}
    fitting |= {f"{scheme}://{name}" for scheme, port in DEFAULT_PORTS.items() if port in ports}
    fitting |= {entry.lower() for entry in allowed}
    return origin in fitting or ("*" in fitting and origin != "null")


def check_host_and_origin(scope: Scope, settings: Settings) -> None:
    """Raises Refusal for a request that a web page of another site may have caused, or without one well-formed Host
    (RFC 9112 section 3.2). Where that names no port, http's and https's are meant: behind a gateway, the client's
    scheme is not known.
    """
    host = b", ".join(header(scope, b"host")).decode("latin-1")
    match = AUTHORITY.fullmatch(host.lower())
    if not match:
        raise Refusal(400, "host", "Send one Host header, with the name and port of this server.")
    name, ports = match[1], {int(match[2])} if match[2] else set(DEFAULT_PORTS.values())
    if not host_allowed(name, ports, scope.get("server"), settings.mcp_allowed_hosts):
        rule = "use a name that MCP_ALLOWED_HOSTS lists, or localhost if unset"
        raise Refusal(421, "host", f"Host {host[:100]!a} is not served here: {rule}.")
    origins = [value.decode("latin-1").lower() for value in header(scope, b"origin")]
    if len(origins) > 1 or not all(origin_allowed(each, name, ports, settings.mcp_allowed_origins) for each in origins):
        sent = ", ".join(origins)[:100]
        raise Refusal(403, "origin", f"Origin {sent!a} is neither this host's nor listed in MCP_ALLOWED_ORIGINS.")


class Access:
    """Holds what handshakes are checked against. Raises SettingError."""

    def __init__(self, settings: Settings, clock: Clock = time.monotonic) -> None:
        self._settings = settings
        self._bearer = Bearer(settings, clock)

    async def admit(self, scope: Scope) -> Admission:
        """What a WebSocket handshake gets; raises Refusal."""
        check_request_line(scope)
        subprotocol = negotiate(scope)
        check_host_and_origin(scope, self._settings)
        return Admission(subprotocol, await self.authorize(scope))

    async def authorize(self, scope: Scope) -> float | None:
        """When the token ends, in epoch seconds; raises Refusal, which says where to get one (RFC 9728, 5.1)."""
        sent = header(scope, b"authorization")
        tokens = (offer.removeprefix(AUTH) for offer in _offered(scope) if offer.startswith(AUTH))
        sent += [f"Bearer {token}".encode() for token in tokens]  # Browsers send no headers on a WebSocket.
        try:
            return await self._bearer.check(sent, scope.get("query_string", b""))
        except Refusal as refusal:
            if self._settings.mcp_auth_issuer and "www-authenticate" in refusal.headers:
                url = f"{base_url(scope)}{PROTECTED_RESOURCE}{scope['path']}"
                refusal.headers["www-authenticate"] += f', resource_metadata="{url}"'
            raise

    def protected_resource(self, scope: Scope) -> dict[str, Any]:
        """RFC 9728, section 2; raises Refusal where no issuer is known."""
        if not self._settings.mcp_auth_issuer:
            raise Refusal(404, "path", "No authorization server is named here.")
        return {
            "resource": base_url(scope) + (scope["path"].removeprefix(PROTECTED_RESOURCE) or MCP),
            "authorization_servers": [self._settings.mcp_auth_issuer],
            "bearer_methods_supported": ["header"],
            **({"scopes_supported": scope_} if (scope_ := (self._settings.mcp_auth_scope or "").split()) else {}),
        }

    def shared(self, scope: Scope) -> dict[str, str]:
        """The headers that let a page of an origin in MCP_ALLOWED_ORIGINS read the answer; none for any other."""
        (origin, *more) = header(scope, b"origin") or [b""]
        name, allowed = origin.decode("latin-1"), [entry.lower() for entry in self._settings.mcp_allowed_origins]
        if more or name in ("", "null") or not {name.lower(), "*"} & set(allowed):
            return {}
        return {
            "access-control-allow-origin": name,
            "access-control-expose-headers": "www-authenticate",
            "vary": "origin",
        }


def base_url(scope: Scope) -> str:
    """Scheme and host as the client knows them; a gateway that ends TLS says so by X-Forwarded-Proto."""
    forwarded = b"".join(header(scope, b"x-forwarded-proto"))
    secure = forwarded == b"https" if forwarded else scope.get("scheme") in ("https", "wss")
    return f"http{'s' if secure else ''}://{header(scope, b'host')[0].decode('latin-1')}"
