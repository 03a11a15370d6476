"""Admission of requests: handshake, Host and Origin, bearer tokens."""

from weather.access.handshake import PROTECTED_RESOURCE, PROTECTED_RESOURCES, SUBPROTOCOL, Access, Admission
from weather.access.origins import check_host_and_origin, is_loopback

__all__ = ["PROTECTED_RESOURCE", "PROTECTED_RESOURCES", "SUBPROTOCOL", "Access", "Admission"]
__all__ += ["check_host_and_origin", "is_loopback"]
