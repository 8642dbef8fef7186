"""Compiled functions: the one place that compiles. `instructions` and `handover` import `numba`, too.

Compiled code is kept between starts: where NUMBA_CACHE_DIR says, else beside the package where that can be
written, else in the user's cache folder, else not at all. numba itself would look only at the file of a function, not
at those of what it calls; so each state of this room's files has a folder of its own.
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

Function = TypeVar("Function", bound=Callable[..., Any])

_COMPILE: Any = numba.njit
_CONFIG: Any = numba.config
_HERE = Path(__file__).parent
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def compiled(function: Function) -> Function:
    """`function` as machine code that runs without the interpreter's lock; compiled at its first call.

    It must not make arrays: they are handed in. Then it needs no counting of references, which takes functions
    that get many arrays several times as long as their work.
    """
    made: Any = None
    before, _CONFIG.CACHE_DIR = _CONFIG.CACHE_DIR, _folder()
    for options in ({"cache": True, "_nrt": False}, {"_nrt": False}, {}):
        try:
            made = _COMPILE(**_OPTIONS, **options)(function)
            break
        except (RuntimeError, KeyError, TypeError):  # no folder to keep it in; an option this numba doesn't know
            continue
    _CONFIG.CACHE_DIR = before
    return cast(Function, made)


@cache
def _folder() -> str:
    """Where the code compiled from these files is kept."""
    sources = hashlib.sha256()
    for path in sorted(_HERE.glob("*.py")):
        sources.update(path.read_bytes())
    parent = Path(_CONFIG.CACHE_DIR) if _CONFIG.CACHE_DIR else _HERE / "__pycache__"
    if not os.access(parent if parent.exists() else parent.parent, os.W_OK):
        parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "selfinstruct"
    return str(parent / f"compiled-{sources.hexdigest()[:12]}")


i64: Any = np.int64
u64: Any = np.uint64
"""Machine integers: plain `int` to a type checker, which can't know that compiled code has no other kind."""
