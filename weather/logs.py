"""Formats log records as text or JSON, on one line each, whatever a client has sent."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from weather.config import Settings


def configure(settings: Settings) -> None:
    """Configures the root logger. Libraries that log every call or frame log only from WARNING on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter() if settings.log_format == "json" else TextFormatter())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.getLogger("hypercorn.error").addFilter(_handled_once)
    logging.getLogger("stamina").setLevel(logging.ERROR)  # It logs only that there is a retry.
    for name in ("mcp", "httpx", "httpcore", "websockets"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


def _handled_once(record: logging.LogRecord) -> bool:
    """hypercorn gives its logger a handler when it first logs, which is after the application's startup."""
    logging.getLogger(record.name).handlers.clear()
    return True


def _entry(record: logging.LogRecord) -> dict[str, Any]:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return {"time": time, "level": record.levelname, "logger": record.name, "message": record.getMessage()}


class JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        traceback = {"traceback": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps(_entry(record) | getattr(record, "fields", {}) | traceback)


class TextFormatter(logging.Formatter):
    """Escapes control characters and non-ASCII ones. A traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        fields = (f"{name}={json.dumps(value)}" for name, value in getattr(record, "fields", {}).items())
        lines = [" ".join((*_entry(record).values(), *fields))]
        lines += self.formatException(record.exc_info).splitlines() if record.exc_info else []
        return "\n".join(line.encode("unicode_escape").decode() for line in lines)
