"""Every error the package raises, and the exit code each one ends a command with.

    SelfInstructError            1   a defect in the program, or an unexpected error
    ├── UsageError               2   a wrong argument, path or combination
    │   ├── ConfigError          2   the configuration, with the path of the key
    │   ├── SeedError            2   the seed file: all its defects at once
    │   └── ConfigChanged        2   the run was made with another configuration
    ├── RunLocked                4   another process works on this run
    ├── StorageError             3   the disk is full or can't be written; go on when there is room
    └── TeacherError             5
        ├── TeacherRefused       5   key, quota, model: asking again can't help
        └── TeacherDown          3   no answer several times in a row; go on later

A message is one line: where it is, what is wrong, what to do. What a *model* answers is never an
error here: a bad answer is data and becomes a row in the journal.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable

EXIT_CODES: dict[int, str] = {
    0: "the target is met",
    1: "a defect in the program",
    2: "usage, configuration or seeds",
    3: "ended early and can go on (budget, interrupted, out of time, exhausted, detached, not finished)",
    4: "the run is locked by another process",
    5: "the teacher refuses (key, quota, model)",
    99: "nothing to do, with --skip-code",
}
"""What a command ends with; 99 is what Airflow's `skip_on_exit_code` takes for a skipped task."""


class SelfInstructError(Exception):
    """The base class; `exit_code` is the exit code of the command line."""

    exit_code = 1


class UsageError(SelfInstructError):
    """A wrong argument, path or combination of options."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration can't be used; the message names the key and, where it can, the right one."""


class SeedError(UsageError):
    """The seed file can't be used. `defects` lists every one of them, a line each."""

    def __init__(self, defects: Iterable[str]) -> None:
        self.defects = list(defects)
        super().__init__("\n".join(self.defects))


class ConfigChanged(UsageError):
    """An existing run was made with another configuration; `changes` lists what differs."""

    def __init__(self, message: str, changes: Iterable[str]) -> None:
        self.changes = list(changes)
        super().__init__(message)


class RunLocked(SelfInstructError):
    """Another process holds the run's lock."""

    exit_code = 4


class StorageError(SelfInstructError):
    """The run's files can't be written or read; nothing that was committed is lost."""

    exit_code = 3


def cannot_write(place: object, error: OSError) -> SelfInstructError:
    """Why a file or folder can't be made: permissions are for the user to change, anything else may pass."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UsageError(f"{place}: can't be written ({error.strerror}); make it writable, or choose another folder")
    if error.errno in (errno.EISDIR, errno.EEXIST):
        return UsageError(f"{place}: {error.strerror}; give another name")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return UsageError(f"{place}: can't be written, its folder isn't there; make it, or choose another one")
    return StorageError(
        f"{place}: {error.strerror or error}; make room or mend the disk, then start again: nothing committed is lost"
    )


class TeacherError(SelfInstructError):
    """The teacher can't go on answering."""

    exit_code = 5


class TeacherRefused(TeacherError):
    """Key, quota or model: the same request would be refused again."""


class TeacherDown(TeacherError):
    """Several questions in a row got no answer at all."""

    exit_code = 3
