"""Connect to a Ray cluster, or start Ray on this machine. `scatter_job` uses this module."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ..core.errors import UsageError

_CONNECT_TIMEOUT_S = 5.0


@contextmanager
def ray_connection(address: str | None, workers: int | None) -> Iterator[None]:
    """Connect to the Ray cluster at `address`, or start one with `workers` cores here, and disconnect at the end.

    An existing connection of this process is kept. Raises UsageError if there is no such cluster.
    """
    ray = _import_ray()
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    _check_reachable(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        quiet |= {"num_cpus": workers or min(2, os.cpu_count() or 1), "include_dashboard": False, "address": "local"}
    else:
        quiet |= {"address": address}
    try:
        ray.init(**quiet)
    except Exception as error:  # Ray raises anything here
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = f"--address {address}: Ray" if address else "Ray"
        raise UsageError(f"{where} can't be reached: {first}; check that its head node runs there") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str | None) -> None:
    """Raise UsageError if a ray:// address does not accept connections; Ray itself would try for half a minute."""
    if address is None or not address.startswith("ray://"):
        return
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 10001), _CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        what = f"--address {address}: no connection ({error})"
        raise UsageError(f"{what}; check that the cluster's head node runs there with Ray's client server") from None


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise UsageError(
            f"Ray isn't installed; pip install 'selfinstruct[cluster]' (this is Python {python})"
        ) from None
    return ray
