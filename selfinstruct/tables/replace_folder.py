"""Replace a folder or a file atomically: readers see either the whole old one or the whole new one.

`dataset` and `dedup` write their outputs this way. A hidden file holds the hashes of all files in the form that
`sha256sum --check` reads, so that the next writer notices what was changed by hand.
"""

from __future__ import annotations

import contextlib
import ctypes
import filecmp
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

# A temporary folder this old was left behind by a killed process.
_LEFT_S = 86400.0
_MANIFEST = ".sha256sums"


def beside(target: Path) -> Path:
    """Return a temporary path next to `target`, and delete temporary folders that killed processes left there."""
    ours = re.compile(rf"\.{re.escape(target.name)}-(old-)?\d+")
    with contextlib.suppress(OSError):  # another process may delete the same folder
        for left in target.parent.iterdir():
            if ours.fullmatch(left.name) and time.time() - left.stat().st_mtime > _LEFT_S:
                shutil.rmtree(left, ignore_errors=True)
    return target.with_name(f".{target.name}-{os.getpid()}")


def written_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file as it was written to `folder`, by path; none for a folder of an old version."""
    try:
        lines = (folder / _MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}


def write_manifest(folder: Path) -> None:
    """Write the hashes of all files in `folder`."""
    lines = [f"{_digest(folder / name)}  {name}\n" for name in sorted(files_in(folder))]
    (folder / _MANIFEST).write_text("".join(lines), encoding="utf-8")


def changes_by_hand(folder: Path, written: Mapping[str, str]) -> list[str]:
    """Return the files that were added or changed, in words. written: hashes by path."""
    changed = {name: written[name] != _digest(folder / name) for name in files_in(folder) & written.keys()}
    added = files_in(folder) - written.keys()
    return sorted([f"{name} (changed)" for name in changed if changed[name]] + [f"{name} (added)" for name in added])


def files_in(folder: Path) -> set[str]:
    """Return the paths of all files below `folder`, without the manifest."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file()}
    return found - {_MANIFEST}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def beside_file(target: Path) -> Path:
    """Return a temporary path for a file: next to `target`, or in the temporary folder for '-', standard output."""
    if str(target) == "-":
        return Path(tempfile.gettempdir(), f"selfinstruct-{uuid.uuid4().hex}")
    real = target.resolve()  # a link in place of the file stays
    return real.with_name(f".{real.name}-{os.getpid()}")


def replace_file(target: Path, fresh: Path) -> None:
    """Move `fresh` to `target`, or write its bytes to standard output if `target` is '-'."""
    if str(target) != "-":
        fresh.replace(target.resolve())
        return
    sys.stdout.flush()
    out = getattr(sys.stdout, "unfiltered", sys.stdout).buffer  # the command line replaces `sys.stdout`
    with fresh.open("rb") as file, contextlib.suppress(BrokenPipeError):  # the reader has left
        shutil.copyfileobj(file, out)
        out.flush()


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
