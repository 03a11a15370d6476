"""Checks a WebSocket handshake: path, subprotocol, Host, Origin and bearer token, the cheapest first.

A refusal says what would be right. It quotes Host and Origin, escaped and cut to 100 characters. It never quotes a
path, a query string or a subprotocol, since clients have put tokens into all three.
"""

from typing import Any, NamedTuple

from weather.access.bearer import Bearer
from weather.access.origins import check_host_and_origin, origin_listed
from weather.asgi import HTTP_PATH, WEBSOCKET_PATH, Scope, header, header_lines, sent_path
from weather.errors import Refusal
from weather.protocol.messages import SESSION_VERSIONS, VERSION

PROTECTED_RESOURCE = "/.well-known/oauth-protected-resource"
PROTECTED_RESOURCES = (PROTECTED_RESOURCE, PROTECTED_RESOURCE + HTTP_PATH, PROTECTED_RESOURCE + WEBSOCKET_PATH)
SUBPROTOCOL, AUTH = "mcp", "mcp.auth."
SUBPROTOCOLS = (SUBPROTOCOL, *(f"mcp.version.{version}" for version in (VERSION, *reversed(SESSION_VERSIONS))))


class Admission(NamedTuple):
    """The subprotocol to accept, and the token's end in epoch seconds; None for no subprotocol and for no end."""

    subprotocol: str | None
    expires_at: float | None


def negotiate(scope: Scope) -> str | None:
    """The subprotocol to accept (RFC 6455 section 4.2.2), None when none was offered; raises Refusal.

    hypercorn reads offers from the last header line alone, and fails when another one is accepted; a header that is
    not ASCII it refuses itself. The draft SEP-1288 adds "mcp.version.<version>", and "mcp.auth.<token>", which carries
    a token and is never accepted.
    """
    offered = _offered(scope)
    for subprotocol in SUBPROTOCOLS:
        if subprotocol in scope["subprotocols"] and "".join(offered).isascii():
            return subprotocol
    if any(offered) or any(scope["subprotocols"]):
        message = f"Offer the subprotocol '{SUBPROTOCOL}', in one Sec-WebSocket-Protocol header line, or none at all."
        raise Refusal(400, "subprotocol", message)
    return None


def _offered(scope: Scope) -> list[str]:
    return [offer.strip() for offer in header(scope, b"sec-websocket-protocol").split(",")]


class Access(Bearer):
    """Admits handshakes and authorizes requests as the settings require."""

    async def admit(self, scope: Scope) -> Admission:
        """Runs every check on a WebSocket handshake; raises Refusal. The path has to be exact, not percent-encoded."""
        if sent_path(scope) != WEBSOCKET_PATH:
            raise Refusal(404, "path", f"The MCP endpoint is {WEBSOCKET_PATH}.")
        subprotocol = negotiate(scope)
        check_host_and_origin(scope, self._settings)
        return Admission(subprotocol, await self.authorize(scope))

    async def authorize(self, scope: Scope) -> float | None:
        """The token's end in epoch seconds, None if it does not expire.

        Raises Refusal, whose challenge names the resource metadata where an issuer is set (RFC 9728 section 5.1).
        """
        sent = header_lines(scope, b"authorization")
        if scope["type"] == "websocket":  # Browsers cannot set headers on it.
            tokens = (offer.removeprefix(AUTH) for offer in _offered(scope) if offer.startswith(AUTH))
            sent += [f"Bearer {token}".encode() for token in tokens]
        try:
            return await self.check(sent, scope.get("query_string", b""))
        except Refusal as refusal:
            if self._settings.mcp_auth_issuer and "www-authenticate" in refusal.headers:
                url = f"{base_url(scope)}{PROTECTED_RESOURCE}{scope['path']}"
                refusal.headers["www-authenticate"] += f', resource_metadata="{url}"'
            raise

    def protected_resource(self, scope: Scope) -> dict[str, Any]:
        """The protected resource metadata (RFC 9728 section 2); raises Refusal without MCP_AUTH_ISSUER."""
        if not self._settings.mcp_auth_issuer:
            raise Refusal(404, "path", "No authorization server is named here.")
        scopes = (self._settings.mcp_auth_scope or "").split()
        return {
            "resource": base_url(scope) + (scope["path"].removeprefix(PROTECTED_RESOURCE) or HTTP_PATH),
            "authorization_servers": [self._settings.mcp_auth_issuer],
            "bearer_methods_supported": ["header"],
            **({"scopes_supported": scopes} if scopes else {}),
        }

    def cors_headers(self, scope: Scope) -> dict[str, str]:
        """Headers that let a page whose origin is in MCP_ALLOWED_ORIGINS read the response; none for any other."""
        name = header(scope, b"origin")
        if not name or not origin_listed(name.lower(), self._settings.mcp_allowed_origins):
            return {}
        return {
            "access-control-allow-origin": name,
            "access-control-expose-headers": "www-authenticate",
            "vary": "origin",
        }


def base_url(scope: Scope) -> str:
    """Scheme and host as the client sees them; a gateway that terminates TLS sends X-Forwarded-Proto."""
    forwarded = header(scope, b"x-forwarded-proto")
    scheme = forwarded.partition(",")[0].strip().lower() or scope.get("scheme")  # The first is the client's.
    return f"http{'s' if scheme in ('https', 'wss') else ''}://{header(scope, b'host')}"
