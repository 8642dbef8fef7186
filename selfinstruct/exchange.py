"""A folder put in the place of another in one step: who reads it sees the old one or the new one, whole."""

from __future__ import annotations

import ctypes
import filecmp
import os
import shutil
from pathlib import Path


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
