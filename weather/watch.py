"""What is checked of one session now and then, and may end it."""

from __future__ import annotations

import time

from weather.config import KIB, Settings
from weather.session.screen import NORMAL, POLICY_VIOLATION, TOO_BIG, Close, Screen, State
from weather.sockets import Traffic

READ_AHEAD = 10  # messages: hypercorn's max_app_queue_size
READ_AT_ONCE = 16 * KIB  # twice sockets.RECEIVE_BUFFER, as Linux counts


class Watch:
    """`close` ends the session: with code, reason, and a name for it. Times are on the monotonic clock, but for
    `expires_at`, in epoch seconds; `deflates` says that what comes may be compressed.
    """

    def __init__(
        self, screen: Screen, settings: Settings, close: Close, *, expires_at: float | None, deflates: bool
    ) -> None:
        self._screen, self._settings, self._close = screen, settings, close
        self._expires_at, self._deflates = expires_at, deflates
        self.opened_at = self._received_at = self._sent_at = time.monotonic()
        self._pinged_at: float | None = None
        self._traffic: Traffic | None = None
        self._received = self._sent = self._sending = 0
        self._taken = self._taken_received = 0

    def check_times(self, now: float) -> None:
        """Closes the session when one of its times is up."""
        screen, settings = self._screen, self._settings
        if screen.received != self._received:
            self._received, self._received_at = screen.received, now
        if screen.sent != self._sent or screen.sending == screen.sent:
            self._sent, self._sent_at = screen.sent, now
        if screen.state is not State.READY and now - self.opened_at > settings.mcp_initialize_timeout_seconds:
            reason = f"not initialized within {settings.mcp_initialize_timeout_seconds:g} s"
            self._close(POLICY_VIOLATION, reason, "not_initialized")
        elif now - self._sent_at > settings.mcp_send_timeout_seconds:
            reason = f"read nothing for {settings.mcp_send_timeout_seconds:g} s"
            self._close(POLICY_VIOLATION, reason, "not_reading")
        elif not screen.in_flight and now - self._received_at > settings.mcp_idle_timeout_seconds:
            self._close(NORMAL, f"idle for {settings.mcp_idle_timeout_seconds:g} s", "idle")
        elif self._expires_at is not None and time.time() >= self._expires_at:
            self._close(POLICY_VIOLATION, "the token has expired", "token_expired")

    def check_alive(self, now: float, traffic: Traffic | None) -> None:
        """Closes the session of a peer that leaves pings unanswered, or whose connection is no more.

        hypercorn sends pings, as it is configured, and looks at no pong: what leaves while the session sends nothing is
        a ping. Of a connection that breaks while an answer is being written it tells nobody.
        """
        screen, before, self._traffic = self._screen, self._traffic, traffic
        if traffic is None or before is None:
            if before:
                self._close(NORMAL, "the connection is gone", "client")
            return
        timeout_s = 25
        if traffic.received != before.received or screen.sending != self._sending or screen.in_flight:
            self._pinged_at = None
        elif traffic.sent != before.sent and self._pinged_at is None:
            self._pinged_at = now
        self._sending = screen.sending
        if self._pinged_at is not None and now - self._pinged_at >= timeout_s:
            self._close(POLICY_VIOLATION, f"no pong for {timeout_s:g} s", "dead")

    def check_size(self, traffic: Traffic, *, growing: bool) -> bool:
        """Closes the session of a peer that sends and ends no message; True if so. `growing`: memory does.

        A session that is held back ends none either: allowed is what hypercorn reads ahead of it, or a message where
        what comes may inflate a thousandfold. When memory grows that is too much for a session that is not held back.
        """
        screen, limit = self._screen, self._settings.mcp_max_message_bytes
        allowed = READ_AT_ONCE + limit * (1 if self._deflates else READ_AHEAD + 1)
        if self._deflates and growing and not screen.held:
            allowed = limit // 4
        if screen.received != self._taken_received:
            self._taken, self._taken_received = traffic.taken, screen.received
        elif traffic.taken - self._taken > allowed:
            self._close(TOO_BIG, f"a message has at most {limit} bytes", "too_big")
            return True
        return False
