"""Replace a folder atomically: readers see either the whole old folder or the whole new one.

`dataset` and `dedup` write their outputs this way.
"""

from __future__ import annotations

import contextlib
import ctypes
import filecmp
import os
import re
import shutil
import time
from pathlib import Path

# A temporary folder this old was left behind by a killed process.
_LEFT_S = 86400.0


def beside(target: Path) -> Path:
    """Return a temporary path next to `target`, and delete temporary folders that killed processes left there."""
    ours = re.compile(rf"\.{re.escape(target.name)}-(old-)?\d+")
    with contextlib.suppress(OSError):  # another process may delete the same folder
        for left in target.parent.iterdir():
            if ours.fullmatch(left.name) and time.time() - left.stat().st_mtime > _LEFT_S:
                shutil.rmtree(left, ignore_errors=True)
    return target.with_name(f".{target.name}-{os.getpid()}")


def replace_folder(target: Path, fresh: Path) -> None:
    """Replace `target` with `fresh`: in one step where the system supports an exchange, otherwise in two renames."""
    if not target.exists():
        fresh.rename(target)
        return
    if not _exchange(target, fresh):
        old = target.with_name(f".{target.name}-old-{os.getpid()}")
        target.rename(old)
        fresh.rename(target)
        shutil.rmtree(old, ignore_errors=True)


def same_folders(one: Path, other: Path) -> bool:
    """Return whether both folders exist and hold the same files, byte for byte."""
    files, others = (
        {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} for folder in (one, other)
    )
    return files == others != set() and all(filecmp.cmp(one / file, other / file, shallow=False) for file in files)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically (Linux `renameat2` with RENAME_EXCHANGE). Returns False if not supported."""
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(swap(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)
