"""Checks Host and Origin: the guard against DNS rebinding and cross-site requests."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache

from weather.asgi import Scope, header, header_lines
from weather.config import Settings
from weather.errors import Refusal

DEFAULT_PORTS = {"http": 80, "https": 443}
AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::([0-9]{0,5}))?")


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """True for 127.0.0.0/8 and ::1, also IPv4-mapped, and names that always resolve to them (RFC 6761 section 6.3)."""
    with suppress(ValueError):
        ip = ipaddress.ip_address(host.strip("[]"))
        return (getattr(ip, "ipv4_mapped", None) or ip).is_loopback
    return host == "localhost" or host.endswith(".localhost")


@lru_cache(256)
def pattern(entry: str) -> re.Pattern[str]:
    """Matches what an entry of a setting stands for: `*.` is one label or more, `:*` any port or none, `*` anything."""
    if entry == "*":
        return re.compile(".*", re.DOTALL)
    escaped = re.escape(entry)
    return re.compile(escaped.replace(r"\*\.", r"(?:[a-z0-9_~-]+\.)+").replace(r":\*", "(?::[0-9]+)?"))


def listed(spellings: Iterable[str], entries: Sequence[str]) -> bool:
    return any(pattern(entry).fullmatch(spelling) for spelling in spellings for entry in entries)


def origin_listed(origin: str, entries: Sequence[str]) -> bool:
    """Whether an entry matches the origin, with its scheme's port too. None matches "null": sandboxed pages send it."""
    ports = (f"{origin}:{port}" for scheme, port in DEFAULT_PORTS.items() if origin.startswith(f"{scheme}://"))
    return origin != "null" and listed((origin, *ports), entries)


def check_host_and_origin(scope: Scope, settings: Settings) -> None:
    """Raises Refusal for a request that a page of another site may have caused, or without one well-formed Host
    (RFC 9112 section 3.2).

    A Host without a port matches the ports of http and https, since the client's scheme is unknown behind a gateway.
    With no host listed, a connection to a loopback address must name a loopback host. An Origin (RFC 6454) passes if it
    is this host's or listed.
    """
    host = header(scope, b"host")
    match = AUTHORITY.fullmatch(host.lower())
    if not match:
        raise Refusal(400, "host", "Send one Host header, with the name and port of this server.")
    name, ports = match[1], {int(match[2])} if match[2] else set(DEFAULT_PORTS.values())
    if allowed := settings.mcp_allowed_hosts:
        known = listed((name, *(f"{name}:{port}" for port in ports)), allowed)
    else:  # A page that rebinds its own name to loopback sends that name.
        server = scope.get("server")
        known = not server or not is_loopback(str(server[0])) or is_loopback(name)
    if not known:
        rule = "use a name that MCP_ALLOWED_HOSTS lists, or localhost if unset"
        raise Refusal(421, "host", f"Host {host[:100]!a} is not served here: {rule}.")
    origins = [value.decode("latin-1").lower() for value in header_lines(scope, b"origin")]
    own = {f"{scheme}://{name}:{port}" for scheme in DEFAULT_PORTS for port in ports}
    own |= {f"{scheme}://{name}" for scheme, port in DEFAULT_PORTS.items() if port in ports}
    others = [origin for origin in origins if origin not in own]
    if len(origins) > 1 or not all(origin_listed(origin, settings.mcp_allowed_origins) for origin in others):
        sent = ", ".join(origins)[:100]
        raise Refusal(403, "origin", f"Origin {sent!a} is neither this host's nor listed in MCP_ALLOWED_ORIGINS.")
