"""Where a teacher may be: what `egress` in the configuration lets be asked, and whose way there is in clear."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from ..config.run_config import RunConfig, TeacherConfig
from ..core.errors import ConfigError

_PUBLIC = "https://api.openai.com/v1"


def address_of(teacher: TeacherConfig) -> str:
    """The address that a teacher of kind openai is asked at; the SDK reads $OPENAI_BASE_URL where none is set."""
    return teacher.base_url or os.environ.get("OPENAI_BASE_URL", "").strip() or _PUBLIC


def host_of(teacher: TeacherConfig) -> str | None:
    """The host of that address; None for a teacher of another kind."""
    return _split(address_of(teacher)).hostname if teacher.kind == "openai" else None


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
        if each.kind == "openai":
            check_egress(config.egress, address_of(each))


def in_clear(config: RunConfig) -> list[str]:
    """The hosts that prompts and keys would go to unencrypted."""
    parts = [_split(address_of(each)) for each in config.all_teachers if each.kind == "openai"]
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
