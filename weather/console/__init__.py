"""The page for browsers, an MCP client over the WebSocket of its own origin. Serves its static files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from weather.responses import Response

FOLDER = "/console/"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Console:
    """Serves the files of this folder from memory, with validators (RFC 9110 section 8.8)."""

    def __init__(self) -> None:
        files = (file for file in Path(__file__).parent.iterdir() if file.suffix in TYPES)
        self._files = {FOLDER + file.name: _response(file) for file in files}
        self._page = self._files.pop(FOLDER + "index.html")

    def answer(self, path: str, headers: Mapping[bytes, bytes]) -> Response | None:
        """The page at "/" if the client accepts HTML, its files below FOLDER; None for any other path.

        The status is 304 where If-None-Match fits.
        """
        if path == "/":
            found = self._page if b"text/html" in headers.get(b"accept", b"").lower() else None
        else:
            found = self._files.get(path)
        if found is None:
            return None
        known = headers.get(b"if-none-match", b"").decode("latin-1")
        if found.headers["etag"] in known or known == "*":
            return Response(b"", 304, found.content_type, {**found.headers, "content-length": str(len(found.body))})
        return found


def _response(file: Path) -> Response:
    body = file.read_bytes()
    vary = {"vary": "accept"} if file.name == "index.html" else {}
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return Response(body, 200, f"{TYPES[file.suffix]}; charset=utf-8", {**HEADERS, **vary, "etag": etag})
