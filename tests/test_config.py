"""What the settings make of their variables; the sentences that stop a start are in test_app.py."""

import tomllib

import pytest
from hypercorn.config import Config

from tests.conftest import ROOT
from weather.config import Settings
from weather.errors import SettingError, TooSlow


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("NWS_API_BASE", "HTTPS://mirror.example/nws/", "HTTPS://mirror.example/nws"),
        ("NWS_API_BASE", "simulator", "simulator"),
        ("NWS_USER_AGENT", "weather/1.0 (me@example.com)", "weather/1.0 (me@example.com)"),
        ("MCP_ALLOWED_HOSTS", " a.example:80, ,[::1] ", ("a.example:80", "[::1]")),
        (
            "MCP_ALLOWED_HOSTS",
            "*.A.example, *.b.example:8080, localhost:*",
            ("*.a.example", "*.b.example:8080", "localhost:*"),
        ),
        ("MCP_ALLOWED_HOSTS", "10.0.0.7, FD00:0::7, [::1]:*", ("10.0.0.7", "[fd00::7]", "[::1]:*")),
        ("MCP_ALLOWED_HOSTS", "a_b.example., a.example:65535", ("a_b.example.", "a.example:65535")),
        ("MCP_ALLOWED_HOSTS", "", ()),
        (
            "MCP_ALLOWED_ORIGINS",
            "*,https://a.example,vscode-webview://b",
            ("*", "https://a.example", "vscode-webview://b"),
        ),
        (
            "MCP_ALLOWED_ORIGINS",
            "https://*.A.example, http://localhost:*",
            ("https://*.a.example", "http://localhost:*"),
        ),
        ("MCP_ALLOWED_ORIGINS", "http://[::1]:80, app://obsidian.md", ("http://[::1]:80", "app://obsidian.md")),
        ("MCP_COMPRESSION", "true", True),
        ("MCP_MAX_CONNECTIONS", "1", 1),
        ("MCP_MAX_STREAMS", "20000", 20000),
        ("LOG_LEVEL", "warning", "WARNING"),
    ],
)
def test_value_is_read(monkeypatch, variable, text, value):
    monkeypatch.setenv(variable, text)
    assert getattr(Settings.read(), variable.lower()) == value


NO_HOSTS = "a*.example a.*.example *a.example *.*.a.example *. *.* *:* *:80 **  .a.example a..example a.example:"
NO_HOSTS += (
    " a.example:http a.example:080 a.example:0 a.example:65536 a.example:8* a.example:80:* a:b:* *.[::1] [::1 ::g"
)
NO_HOSTS += " caf\xe9.example a.example/ a.example/mcp u@a.example a.example?"
NO_ORIGINS = f"null a.example *.a.example https://* https:// https://*: *://a.example a.example:443 {NO_HOSTS}"
NO_ORIGINS += (
    " ws://a.example wss://a.example WSS://*.a.example https:/a.example https//a.example https://a.example/app"
)
NO_ORIGINS += " https://https://a.example 1://a.example ://a.example"


@pytest.mark.parametrize(
    ("variable", "entry"),
    [
        *(("MCP_ALLOWED_HOSTS", entry) for entry in ["https://a.example", *NO_HOSTS.split()]),
        *(("MCP_ALLOWED_ORIGINS", entry) for entry in NO_ORIGINS.split()),
        *(("MCP_ALLOWED_ORIGINS", f"app://{entry}") for entry in NO_HOSTS.split()),
    ],
)
def test_a_name_that_no_header_can_match_stops_the_start(monkeypatch, variable, entry):
    monkeypatch.setenv(variable, f"*,{entry}")
    with pytest.raises(SettingError, match=r"such as .*\*\.example\.com.* separated by commas, or \*\.$") as refused:
        Settings.read()
    assert refused.value.value == entry


def test_a_setting_by_its_former_name_stops_the_start(monkeypatch):
    monkeypatch.setenv("MCP_MAX_REQUESTS", "5")
    with pytest.raises(SettingError) as raised:
        Settings.read()
    assert str(raised.value) == "MCP_MAX_REQUESTS is '5', and should be called MCP_MAX_CONCURRENT_REQUESTS."


@pytest.mark.parametrize(
    ("variable", "text", "shown"),
    [
        ("NWS_API_BASE", "https://a.example/#b", "https://a.example/#b"),
        ("NWS_API_BASE", "https://a.example/?", "https://a.example/?"),
        ("NWS_API_BASE", "https://[::1", "https://[::1"),
        ("NWS_USER_AGENT", "a\nb", "a\nb"),
        ("MCP_ALLOWED_HOSTS", "a.example,user@b.example", "user@b.example"),
        ("MCP_ALLOWED_HOSTS", " , ", " , "),
        ("MCP_ALLOWED_ORIGINS", "https://a.example/", "https://a.example/"),
        ("MCP_ALLOWED_ORIGINS", "a.example", "a.example"),
        ("MCP_AUTH_TOKENS", " , ", "***"),
        ("MCP_AUTH_TOKENS", "a,b c", "***"),
        ("MCP_AUTH_TOKENS", "caf\xe9", "***"),
        ("NWS_API_BASE", "https://user:s3cret@a.example/?", "***"),
        ("MCP_AUTH_JWKS_URL", "user:s3cret@a.example", "***"),
        ("MCP_AUTH_SCOPE", "mcp", "mcp"),
        ("MCP_MAX_CONNECTIONS", "0", "0"),
        ("MCP_MAX_STREAMS", "many", "many"),
    ],
)
def test_value_is_refused(monkeypatch, variable, text, shown):
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingError) as refused:
        Settings.read()
    assert (refused.value.variable, refused.value.value) == (variable, shown)
    assert refused.value.expected.startswith(
        (
            "'simulator' or",
            "printable",
            "names",
            "origins",
            "a list",
            "a URL",
            "unset, or",
            "greater than",
            "a whole number",
        )
    )


@pytest.mark.parametrize(
    ("most", "deadline_s", "words"), [(1, 1.0, ("1 session", "1 second")), (2, 0.5, ("2 sessions", "0.5 seconds"))]
)
def test_one_is_counted_in_the_singular(most, deadline_s, words):
    sessions, seconds = words
    assert Settings.read(mcp_max_sessions=most).in_words.endswith(f", at most {sessions}")
    assert str(TooSlow(deadline_s)).startswith(f"The National Weather Service did not answer within {seconds}. ")


def test_hypercorn_takes_each_value_of_its_configuration():
    """It ignores a name that it does not know, and looks at no type."""
    values = tomllib.loads((ROOT / "hypercorn.toml").read_text())
    assert {name: type(getattr(Config, name)) for name in values if name != "websocket_ping_interval"} == {
        "worker_class": str,
        "workers": int,
        "backlog": int,
        "keep_alive_timeout": float,
        "include_server_header": bool,
    }
    assert (values["backlog"], values["keep_alive_timeout"], values["websocket_ping_interval"]) == (4096, 75, 20)
