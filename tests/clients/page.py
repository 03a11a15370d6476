"""docs/clients.md, made of what the clients did."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.clients.environments import HERE, Client
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "clients.md"
TOOLS, ERROR = ["get-weather", "get-forecast", "get-alerts"], "it should be a two-letter code"
LANGUAGES = {"py": "python", "mjs": "js"}
FUNCTION = re.compile(r"(?:def|function) configured\(.*?(?=\n\n)", re.DOTALL)
IMPORT = re.compile(r"^(?:from \S+ )?import (.*?)(?: from .*)?$", re.MULTILINE)
Outcome = dict[str, Any]

HEAD = """# Clients

What real MCP clients do with this server, and how each is told its URL and token. `make clients` made this page on
{date}: it installs each client in an environment of its own in `.clients/`, pinned, starts this server with simulated
weather, and runs the drivers in [tests/clients](../tests/clients). No model takes part, and no traffic leaves the
machine. It needs the package indexes of Python and npm, 1.2 GB of disk, and four minutes the first time.
"""
CALLS = """
## Calls

Every one of them lists the three tools. "An error" is `get-alerts` for the state Atlantis, whose result has `isError`
and a sentence that says what would be valid: each client shows it. "Null" is `get-forecast` with null for `latitude`,
`longitude`, `units` and `hourly`.

"""
LIFE = """
## Restarts and cancelling

The server is restarted between two calls of the same client; stopped, and called meanwhile; and started again. Where
that fails though the server is up again, the program needs a new client. A call that waits for the weather is cancelled
as a user of the library would do it; the server's metrics say whether its work has ended within ten seconds.

"""
TOKENS = """
## A wrong token

What a person sees where the server checks tokens: the exception, or what the program prints.

"""
CONFIGURED = """
## How each is configured

From the drivers, with `url` as in `http://127.0.0.1:8080/mcp` or `ws://127.0.0.1:8080/ws`.
"""


def page(seen: Mapping[Client, dict[str, Outcome]]) -> str:
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    parts = [HEAD.format(date=date), CALLS, table(calls(seen)), LIFE, table(life(seen)), TOKENS, table(tokens(seen))]
    return "".join([*parts, CONFIGURED, *configured(seen)])


def table(rows: Iterator[tuple[str, ...]]) -> str:
    head, *body = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ("---",) * len(head), *body))


def calls(seen: Mapping[Client, dict[str, Outcome]]) -> Iterator[tuple[str, ...]]:
    yield "client", "packages", "begins with", "a good call hands on", "an error", "null"
    for client, each in seen.items():
        packages = ", ".join(re.sub(r"(\[\w+\])?(==|(?<=\w)@)", " ", package) for package in client.packages)
        begins = "`initialize`" if each.get("initialized") else "a request of 2026-07-28"
        call, error, null = handed(each.get("call")), refused(each.get("is_error")), handed(each.get("null"))
        yield client.name, packages, begins, call, error, null


def life(seen: Mapping[Client, dict[str, Outcome]]) -> Iterator[tuple[str, ...]]:
    yield "client", "after a restart", "while it is down", "up again", "cancelled: work ended", "next call"
    for client, each in seen.items():
        cancelled = "yes" if each.get("at work") and each.get("ended") else "no"
        up_again = each.get("up again") or each.get("with token")  # The latter is how a client that ends ends.
        after = "answered" if ERROR in str(each.get("afterwards")) else shown(each.get("afterwards"))
        yield client.name, shown(each.get("restarted")), shown(each.get("down")), shown(up_again), cancelled, after


def tokens(seen: Mapping[Client, dict[str, Outcome]]) -> Iterator[tuple[str, ...]]:
    yield "client", "a wrong token", "no token"
    for client, each in seen.items():
        wrong = "sends none" if client.websocket else shown(each.get("wrong token"))
        yield client.name, wrong, shown(each.get("no token"))


def configured(seen: Mapping[Client, dict[str, Outcome]]) -> Iterator[str]:
    for client in seen:
        if not client.websocket:
            code = (HERE / client.driver).read_text()
            (function,) = FUNCTION.findall(code)
            imports = "\n".join(line[0] for line in IMPORT.finditer(code) if used(line[1], function))
            language = LANGUAGES[client.driver.rpartition(".")[2]]
            gap = "\n" * (3 if language == "python" else 2) if imports else ""
            yield f"\n### {client.name}\n\n```{language}\n{imports}{gap}{function}\n```\n"


def used(names: str, code: str) -> bool:
    return any(re.search(rf"\b{name}\b", code) for name in re.findall(r"\w+", names))


def handed(outcome: Outcome | None) -> str:
    if not outcome or "returned" not in outcome:
        return shown(outcome)
    texts, structured = outcome["returned"]["texts"] or [], outcome["returned"]["structured"]
    counted = [f"{len(texts)} text{'s' * (len(texts) > 1)}"] if texts else []
    return " and ".join(counted + ["structured content"] * bool(structured))


def refused(outcome: Outcome | None) -> str:
    """How an error of a tool is handed on; the sentence itself is the server's."""
    if ERROR not in str(outcome) or not outcome:
        return shown(outcome)
    if "raised" in outcome:
        return f"raises `{outcome['raised'][0].partition(':')[0]}`"
    return "returned, marked as an error" if outcome["returned"]["is_error"] else "returned as a text"


def shown(outcome: Outcome | None) -> str:
    if not outcome:
        return "nothing"
    if "returned" in outcome:
        return "answered"
    text = "; ".join(dict.fromkeys(" ".join(each.split()) for each in outcome["raised"]))
    return "`" + re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", text).replace("|", "\\|").replace("`", "'") + "`"


def faults(client: Client, each: dict[str, Outcome]) -> Iterator[str]:
    """What should not be, whichever client it is; a WebSocket ends with its server."""
    if each.get("tools") != {"returned": TOOLS}:
        yield f"lists {each.get('tools')}"
    for name in ("call", "null") if client.websocket else ("call", "null", "restarted"):
        if "temperature" not in str(each.get(name)).lower():
            yield f"{name}: {each.get(name)}"
    for name in ("is_error", "afterwards"):
        if ERROR not in str(each.get(name)):
            yield f"{name}: {each.get(name)}"
