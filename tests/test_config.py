"""What the settings make of their variables; the sentences that stop a start are in test_app.py."""

import pytest

from weather.config import Settings
from weather.errors import SettingError


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("NWS_API_BASE", "HTTPS://mirror.example/nws/", "HTTPS://mirror.example/nws"),
        ("NWS_API_BASE", "simulator", "simulator"),
        ("NWS_USER_AGENT", "weather/1.0 (me@example.com)", "weather/1.0 (me@example.com)"),
        ("MCP_ALLOWED_HOSTS", " a.example:80, ,[::1] ", ("a.example:80", "[::1]")),
        ("MCP_ALLOWED_HOSTS", "", ()),
        (
            "MCP_ALLOWED_ORIGINS",
            "*,https://a.example,vscode-webview://b",
            ("*", "https://a.example", "vscode-webview://b"),
        ),
        ("MCP_COMPRESSION", "true", True),
        ("LOG_LEVEL", "warning", "WARNING"),
    ],
)
def test_value_is_read(monkeypatch, variable, text, value):
    monkeypatch.setenv(variable, text)
    assert getattr(Settings.read(), variable.lower()) == value


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
    ],
)
def test_value_is_refused(monkeypatch, variable, text, shown):
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingError) as refused:
        Settings.read()
    assert (refused.value.variable, refused.value.value) == (variable, shown)
    assert refused.value.expected.startswith(
        ("'simulator' or", "printable", "names", "origins", "a list", "a URL", "unset, or")
    )
