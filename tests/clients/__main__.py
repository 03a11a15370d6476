"""`make clients`: runs real MCP clients against this server, and writes what they do to docs/clients.md.

Ends with 1 if one of them cannot list the tools, hand on an answer or an error of a tool, or go on after a restart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Timer
from typing import Any

from tests.clients.environments import CACHE, CLIENTS, Client, command
from tests.clients.page import PAGE, faults, page
from tests.conftest import ROOT, serving
from tests.raw import gated

RUN_S = 240
TOKEN = "right"
QUIET = {"FASTMCP_CHECK_FOR_UPDATES": "off", "OPENAI_AGENTS_DISABLE_TRACING": "1", "DO_NOT_TRACK": "1"}


def main() -> int:
    seen = {client: observed(client) for client in CLIENTS}
    PAGE.write_text(page(seen))
    wrong = [f"{client.name}: {fault}" for client in CLIENTS for fault in faults(client, seen[client])]
    print(f"{PAGE.relative_to(ROOT)} is written", *wrong, sep="\n")
    return 1 if wrong else 0


def observed(client: Client) -> dict[str, Any]:
    """What the driver prints at the end, or nothing."""
    argv, path = command(client)
    print(f"runs {client.name}", flush=True)
    with ExitStack() as stack, (CACHE / f"{client.driver}.log").open("w") as log:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        env = QUIET | {"PATH": path, "HOME": str(folder)}  # Some clients keep tokens and servers there.
        tokens = {"MCP_AUTH_TOKENS": TOKEN}
        settings = {} if client.websocket else tokens
        _, unanswered = stack.enter_context(gated())
        slow = stack.enter_context(serving(folder, **settings, **unanswered))
        guarded = stack.enter_context(serving(folder, **tokens))
        server = stack.enter_context(serving(folder, **settings))
        address = "--bind", f"127.0.0.1:{server.port}"
        urls = [(each.url if client.websocket else f"{each.http}/mcp") for each in (server, guarded, slow)]
        argv += [urls[0], TOKEN, *urls[1:]]
        driver = subprocess.Popen(argv, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        bound = Timer(RUN_S, driver.kill)
        bound.start()
        stack.callback(bound.cancel)
        stack.callback(driver.kill)
        last = "{}"
        for line in driver.stdout or ():
            last = line.strip()
            if last in ("restart", "stop"):
                server.stop()
            if last in ("restart", "start"):
                server = stack.enter_context(serving(folder, *address, **settings))
            if last in ("restart", "stop", "start"):
                with suppress(BrokenPipeError):  # Some clients end with a call that fails.
                    print(file=driver.stdin, flush=True)
        driver.wait()
        initialized = client.websocket or "client initialized" in slow.log
        return json.loads(last) | {"initialized": initialized} if last.startswith("{") else {}


sys.exit(main())
