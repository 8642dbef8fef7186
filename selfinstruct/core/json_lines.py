"""Files of JSON lines that only grow, one durable line at a time: grades of readers, results of students."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from .errors import cannot_write


def append_line(path: Path, value: dict[str, Any]) -> None:
    """Append a value to a file, and return once it is durable; what a killed process left of a line is replaced.

    Several processes may append to the same file.

    Raises:
        UsageError, StorageError: The file can't be written.
    """
    line = json.dumps(value, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            whole = file.read().rpartition(b"\n")
            file.truncate(len(whole[0]) + len(whole[1]))
            file.write(line.encode("utf-8", "surrogatepass"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from None


def whole_lines(path: Path) -> list[str]:
    """Return the lines of a file that have an end, none if there is no file. Raises OSError, ValueError."""
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
