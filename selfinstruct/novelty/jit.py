"""The `compiled` decorator. Only this module compiles; `instructions` and `address_table` also import numba.

Compiled code is cached between starts: in NUMBA_CACHE_DIR if set, else next to the package if writable, else in the
user's cache folder, else not at all. numba checks only the file of a function, not the files of its callees, so each
state of this package's sources has a cache folder of its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np

from ..core.paths import cache_folder

Function = TypeVar("Function", bound=Callable[..., Any])

_COMPILE: Any = numba.njit
_CONFIG: Any = numba.config
_HERE = Path(__file__).parent
# nogil: threads run in parallel. error_model "numpy": no check for division by zero.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def compiled(function: Function) -> Function:
    """Compile `function` at its first call, to machine code that runs without the interpreter lock.

    The function must not allocate arrays. Then it needs no reference counting (`_nrt`), which takes functions with
    many array arguments several times as long as their work.
    """
    # Fall back to no cache (no writable folder), then to plain options (numba without `_nrt`).
    made: Any = None
    before, _CONFIG.CACHE_DIR = _CONFIG.CACHE_DIR, _folder()
    for options in ({"cache": True, "_nrt": False}, {"_nrt": False}, {}):
        try:
            made = _COMPILE(**_OPTIONS, **options)(function)
            break
        except (RuntimeError, KeyError, TypeError):
            continue
    _CONFIG.CACHE_DIR = before
    return cast(Function, made)


@cache
def _folder() -> str:
    """Return the cache folder for the current state of this package's sources."""
    sources = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        sources.update(path.read_bytes())
    parent = Path(_CONFIG.CACHE_DIR) if _CONFIG.CACHE_DIR else _HERE / "__pycache__"
    if not os.access(parent if parent.exists() else parent.parent, os.W_OK):
        parent = cache_folder()
    return str(parent / f"compiled-{sources.hexdigest()[:12]}")


# Casts to machine integers. `Any`, so that the type checker accepts the results as `int`.
i64: Any = np.int64
u64: Any = np.uint64
