"""What ASGI does not tell about this process's sockets, asked of the operating system."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Collection, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from weather.config import KIB

Address = tuple[str, int]

# Bytes. Inflated, they are a thousand times as many: hypercorn takes in at once what lies ready.
RECEIVE_BUFFER = 8 * KIB
DRAINED_AT_ONCE = 64 * KIB
TCP_INFO = struct.Struct("128xQ64xQ")  # tcpi_bytes_received and tcpi_bytes_sent, linux/tcp.h


class Traffic(NamedTuple):
    """Bytes since a connection was opened: read by this process, received by the system, sent."""

    taken: int
    received: int
    sent: int


def _sockets() -> Iterator[socket.socket]:
    """Every socket of this process, each borrowed: none is closed here. None while file descriptors are used up."""
    try:
        names = os.listdir("/dev/fd")
    except OSError:
        return
    for name in names:
        try:
            borrowed = socket.socket(fileno=int(name))
        except OSError:
            continue
        try:
            yield borrowed
        finally:
            borrowed.detach()


def _peers() -> Iterator[tuple[Address, socket.socket]]:
    for borrowed in _sockets():
        try:
            peer = borrowed.getpeername()[:2]
        except OSError:
            continue
        yield peer, borrowed


def listening() -> dict[int, int]:
    """File descriptor → inode of every listening socket. From then on, what each takes in unread is bounded."""
    listeners = {}
    for borrowed in _sockets():
        if borrowed.type == socket.SOCK_STREAM and borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            listeners[borrowed.fileno()] = os.fstat(borrowed.fileno()).st_ino
    return listeners


def beyond_loopback(listeners: dict[int, int]) -> bool:
    return any(
        borrowed.family != socket.AF_UNIX and not ip_address(borrowed.getsockname()[0]).is_loopback
        for borrowed in _sockets()
        if borrowed.fileno() in listeners
    )


def closed(listeners: dict[int, int]) -> bool:
    """True once one of `listeners` is gone: an ASGI server that goes down stops listening first."""
    try:
        return any(os.fstat(fd).st_ino != inode for fd, inode in listeners.items())
    except OSError:
        return True


def sever(peers: Collection[Address]) -> None:
    """Cuts the connections to `peers` at once, whatever still waits to be written or read."""
    for peer, borrowed in _peers():
        if peer in peers:
            try:
                borrowed.shutdown(socket.SHUT_RDWR)
                while borrowed.recv(DRAINED_AT_ONCE):
                    pass  # On Linux, a shutdown leaves what has come to be read.
            except OSError:
                continue


def traffic() -> Iterator[tuple[Address, Traffic]]:
    """Peer and traffic of each connection; nothing where the system does not tell (Linux does, tcp(7))."""
    if sys.platform != "linux":
        return
    from fcntl import ioctl
    from termios import FIONREAD

    for peer, borrowed in _peers():
        try:
            info = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)
            (unread,) = struct.unpack("i", ioctl(borrowed, FIONREAD, bytes(4)))
            received, sent = TCP_INFO.unpack(info)
        except (OSError, struct.error):
            continue
        yield peer, Traffic(received - unread, received, sent)
