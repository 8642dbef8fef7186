"""Where a teacher may be: what `egress` in the configuration lets be asked, and whose way there is in clear."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from ..config.options import TeacherOptions
from ..config.run_config import RunConfig
from ..core.errors import ConfigError


def host_of(teacher: TeacherOptions) -> str | None:
    """Return the host of the teacher's server; None for a teacher without one."""
    return _split(teacher.address).hostname if teacher.address is not None else None


def on_this_machine(host: str) -> bool:
    """Whether `host` is a loopback address, or the name localhost where it stands for nothing else."""
    host = host.strip("[]").lower().rstrip(".")
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
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def check_egress(egress: str | Sequence[str], address: str, what: str = "the teacher at {}") -> None:
    """Raises ConfigError when `egress` doesn't let a teacher, or `what` else, be at `address`."""
    host = (_split(address).hostname or "").rstrip(".")
    listed = () if isinstance(egress, str) else tuple(name.strip("[]").lower().rstrip(".") for name in egress)
    if egress == "any" or host in listed or on_this_machine(host):
        return
    allowed = "this machine" + "".join(f", {name}" for name in listed)
    raise ConfigError(f"egress: {what.format(host)} may not be asked; allowed: {allowed}")


def check_teachers(config: RunConfig) -> None:
    """Raises ConfigError when `egress` forbids a configured teacher."""
    for each in config.all_teachers:
        if each.address is not None:
            check_egress(config.egress, each.address)


def in_clear(config: RunConfig) -> list[str]:
    """The hosts that prompts and keys would go to unencrypted."""
    parts = [_split(each.address) for each in config.all_teachers if each.address is not None]
    hosts = dict.fromkeys(part.hostname or "" for part in parts if part.scheme == "http")
    return [host for host in hosts if not on_this_machine(host)]


def _split(address: str) -> SplitResult:
    try:
        split = urlsplit(address)
        split.port  # noqa: B018  (looked at, it says whether it is one)
        return split
    except ValueError as error:
        raise no_address(error) from None


def no_address(error: Exception) -> ConfigError:
    """The error of an address that can't be one."""
    return ConfigError(f"teacher.base_url or $OPENAI_BASE_URL: no address that can be asked ({error})")
