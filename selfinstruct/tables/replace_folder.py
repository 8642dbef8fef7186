"""A folder put in the place of another in one step: who reads it sees the old one or the new one, whole."""

from __future__ import annotations

import contextlib
import ctypes
import filecmp
import os
import re
import shutil
import time
from pathlib import Path

_LEFT_S = 86400.0
"""Seconds after which a folder beside the target is nobody's work any more."""


def beside(target: Path) -> Path:
    """Where to write what shall take the place of `target`; what writers that were killed have left there goes."""
    ours = re.compile(rf"\.{re.escape(target.name)}-(old-)?\d+")
    with contextlib.suppress(OSError):  # somebody else may just take one away
        for left in target.parent.iterdir():
            if ours.fullmatch(left.name) and time.time() - left.stat().st_mtime > _LEFT_S:
                shutil.rmtree(left, ignore_errors=True)
    return target.with_name(f".{target.name}-{os.getpid()}")


def replace_folder(target: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `target` in one step where the system can, else in two renames."""
    if not target.exists():
        fresh.rename(target)
        return
    if not _exchange(target, fresh):
        old = target.with_name(f".{target.name}-old-{os.getpid()}")
        target.rename(old)
        fresh.rename(target)
        shutil.rmtree(old, ignore_errors=True)


def same_folders(one: Path, other: Path) -> bool:
    """Whether both are there and hold the same files, byte for byte."""
    files, others = (
        {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} for folder in (one, other)
    )
    return files == others != set() and all(filecmp.cmp(one / file, other / file, shallow=False) for file in files)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically (Linux `renameat2` with RENAME_EXCHANGE). False where that isn't to be had."""
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    here, exchange = -100, 2
    return bool(swap(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)
