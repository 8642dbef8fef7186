"""The connection to a Ray cluster, or to one that is started on this machine."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import UsageError

_DOOR_TIMEOUT_S = 5.0


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[None]:
    """Connected to the Ray cluster at `address`, or to one that is started here, with so many workers, and stopped.

    Where the process is connected already, it stays so. Raises UsageError when there is no such cluster.
    """
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    _check_door(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        quiet |= {"num_cpus": workers or min(2, os.cpu_count() or 1), "include_dashboard": False, "address": "local"}
    else:
        quiet |= {"address": address}
    try:
        ray.init(**quiet)
    except Exception as error:  # whatever Ray raises when nobody answers ends as one line
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = f"--address {address}: Ray" if address else "Ray"
        raise UsageError(f"{where} can't be reached: {first}; check that its head node runs there") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_door(address: str | None) -> None:
    """Raise UsageError when nobody answers at a ray:// address; Ray itself would try for half a minute."""
    if address is None or not address.startswith("ray://"):
        return
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 10001), _DOOR_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        what = f"--address {address}: nobody answers ({error})"
        raise UsageError(f"{what}; check that the cluster's head node runs there with Ray's client server") from None


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise UsageError(f"Ray isn't installed; pip install 'selfinstruct[ray]' (this is Python {python})") from None
    return ray
