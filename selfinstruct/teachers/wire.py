"""The HTTP client under the `openai` SDK, with bounds: how large a body may be, and where a request may go.

A request goes to the origin (scheme, host, port) of the teacher's address or nowhere: no redirect leads it
elsewhere. `egress` in the configuration says which addresses a teacher may have at all.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ..config import RunConfig, TeacherConfig
from ..errors import ConfigError, TeacherRefused

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest body that is read, unpacked: some six times what the longest answers of today's models take."""
_PUBLIC = "https://api.openai.com/v1"


class TooLarge(Exception):
    """A body above the bound; nothing of it is kept."""


def http_client(
    base_url: str, timeout_s: float, concurrency: int, *, direct: bool = False, max_body_bytes: int = MAX_BODY_BYTES
) -> Any:
    """The SDK's aiohttp transport (its default one walks the whole pool for every request), bounded.

    direct: without the environment's proxies; a server on this machine is never asked through one.
    Its requests raise TooLarge and TeacherRefused (a redirect that leads away).
    """
    import httpx2
    import openai

    try:
        home = httpx2.URL(base_url)
    except httpx2.InvalidURL as error:
        raise _no_address(error) from None

    class Bounded(openai.DefaultAioHttpClient):
        async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
            response = await super().send(request, stream=True, **options)
            if stream:
                return response
            body = await _read(response, max_body_bytes)
            packing = ("content-encoding", "content-length", "transfer-encoding")
            headers = [(name, value) for name, value in response.headers.multi_items() if name not in packing]
            return httpx2.Response(response.status_code, headers=headers, content=body, request=response.request)

    async def stay(request: httpx2.Request) -> None:
        if _origin(request.url) != _origin(home):
            raise TeacherRefused(
                f"{base_url}: the server sends its requests on to {_place(request.url)};"
                " nothing was sent there; if that is the teacher, put its address into teacher.base_url"
            )

    limits = httpx2.Limits(max_connections=concurrency + 8, max_keepalive_connections=concurrency + 8)
    return Bounded(
        timeout=httpx2.Timeout(timeout_s),
        limits=limits,
        event_hooks={"request": [stay]},
        verify=httpx2.create_ssl_context(),
        trust_env=not (direct or on_this_machine(home.host)),
    )


async def _read(response: Any, max_body_bytes: int) -> bytes:
    body = bytearray()
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) > max_body_bytes:
                raise TooLarge(f"more than {max_body_bytes / 1e6:.1f} MB came back")
    finally:
        await response.aclose()
    return bytes(body)


def _place(url: Any) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"[:120]


def _origin(url: Any) -> tuple[str, str, int | None]:
    ports = {"http": 80, "https": 443}
    return url.scheme, url.host, url.port or ports.get(url.scheme)


# --- where a teacher may be --------------------------------------------------------------------------


def address_of(teacher: TeacherConfig) -> str:
    """The address that a teacher of kind openai is asked at; the SDK reads $OPENAI_BASE_URL where none is set."""
    return teacher.base_url or os.environ.get("OPENAI_BASE_URL", "").strip() or _PUBLIC


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


def check_egress(egress: str | Sequence[str], address: str) -> None:
    """Raises ConfigError when `egress` doesn't let a teacher be at `address`."""
    host = (_split(address).hostname or "").rstrip(".")
    listed = () if isinstance(egress, str) else tuple(name.strip("[]").lower().rstrip(".") for name in egress)
    if egress == "any" or host in listed or on_this_machine(host):
        return
    allowed = "this machine" + "".join(f", {name}" for name in listed)
    raise ConfigError(f"egress: the teacher at {host} may not be asked; allowed: {allowed}")


def check_teacher(config: RunConfig) -> None:
    """Raises ConfigError when `egress` forbids the configured teacher."""
    if config.teacher.kind == "openai":
        check_egress(config.egress, address_of(config.teacher))


def in_clear(config: RunConfig) -> str | None:
    """The host that prompts and key would go to unencrypted, or None."""
    if config.teacher.kind != "openai":
        return None
    parts = _split(address_of(config.teacher))
    host = parts.hostname or ""
    return host if parts.scheme == "http" and not on_this_machine(host) else None


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:
        raise _no_address(error) from None


def _no_address(error: Exception) -> ConfigError:
    return ConfigError(f"teacher.base_url or $OPENAI_BASE_URL: no address that can be asked ({error})")
