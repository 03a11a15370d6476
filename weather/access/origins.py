"""Which hosts and origins may ask: the guard against DNS rebinding and pages of other sites."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from weather.asgi import Scope, header
from weather.config import Settings
from weather.errors import Refusal

DEFAULT_PORTS = {"http": 80, "https": 443}
AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::([0-9]{0,5}))?")


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
