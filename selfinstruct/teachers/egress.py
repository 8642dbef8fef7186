"""Enforce `egress`: which hosts a run may connect to, and which connections are unencrypted.

Teachers and notifications are checked here before any connection is opened.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from ..config.options import TeacherOptions
from ..config.run_config import RunConfig
from ..core.errors import ConfigError


def host_of(teacher: TeacherOptions) -> str | None:
    """Return the host of the teacher's server, or None for a teacher without a server."""
    return _split(teacher.address).hostname if teacher.address is not None else None


def on_this_machine(host: str) -> bool:
    """Return whether `host` is a loopback address, or 'localhost' and resolves to loopback addresses only."""
    host = host.strip("[]").lower().rstrip(".")
    # /etc/hosts may map localhost to another machine.
    if host == "localhost":
        try:
            found = socket.getaddrinfo(host, None)
        except OSError:
            return False
        return all(_is_loopback(str(entry[4][0])) for entry in found)
    return _is_loopback(host)


def _is_loopback(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # '::ffff:127.0.0.1'
    return bool((mapped or address).is_loopback)


def check_egress(egress: str | Sequence[str], address: str, what: str = "the teacher at {}") -> None:
    """Raise ConfigError if `egress` ('any', 'local-only', or host names) forbids a connection to the URL `address`.

    what: what is at the address, for the message; '{}' becomes the host.
    """
    host = (_split(address).hostname or "").rstrip(".")
    # 'API.example.com.' and '[::1]' in the list are the hosts 'api.example.com' and '::1'.
    listed = () if isinstance(egress, str) else tuple(name.strip("[]").lower().rstrip(".") for name in egress)
    if egress == "any" or host in listed or on_this_machine(host):
        return
    allowed = "this machine" + "".join(f", {name}" for name in listed)
    raise ConfigError(f"egress: {what.format(host)} may not be asked; allowed: {allowed}")


def check_teachers(config: RunConfig) -> None:
    """Raise ConfigError if `egress` forbids a configured teacher."""
    for each in config.all_models:
        if each.address is not None:
            check_egress(config.egress, each.address)


def in_clear(config: RunConfig) -> list[str]:
    """Return the hosts other than this machine that would receive prompts and keys unencrypted."""
    parts = [_split(each.address) for each in config.all_models if each.address is not None]
    hosts = dict.fromkeys(part.hostname or "" for part in parts if part.scheme == "http")
    return [host for host in hosts if not on_this_machine(host)]


def _split(address: str) -> SplitResult:
    try:
        split = urlsplit(address)
        split.port  # noqa: B018  (the property raises ValueError for an invalid port)
        return split
    except ValueError as error:
        raise invalid_address(error) from None


def invalid_address(error: Exception) -> ConfigError:
    """Return the error for an address that is not a valid URL."""
    return ConfigError(f"teacher.base_url or $OPENAI_BASE_URL: not a valid URL ({error}); write https://HOST/v1")
