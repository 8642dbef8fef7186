"""The exceptions of the package, and the exit code of each; the CLI prints their message and exits with their code.

    SelfInstructError            1   a defect in the program, or an unexpected error
    ├── UsageError               2   a wrong argument, path or combination
    │   ├── ConfigError          2   the configuration, with the path of the key
    │   ├── SeedError            2   the seed file: all its defects at once
    │   ├── ConfigChanged        2   the run was made with another configuration
    │   └── SandboxMissing       2   programs can't be run safely on this machine
    ├── RunLocked                4   another process is using this run
    ├── StorageError             3   the disk is full or can't be written; free some space and resume
    │   └── JournalDamaged       2   the journal's content is damaged; restore it from a copy
    └── TeacherError             5
        ├── TeacherRefused       5   key, quota, model: retrying can't help
        └── TeacherDown          3   several requests in a row failed; resume later

A message is one line: where, what is wrong, what to do. A bad answer from a *model* is never an
exception: it is data and becomes a row in the journal.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from pathlib import Path

# The CLI prints this table in its help, and docs/guide/nightly.md explains it for schedulers.
EXIT_CODES: dict[int, str] = {
    0: "the target is met, or everything has been asked",
    1: "a defect in the program",
    2: "usage, configuration, seeds, or an error in your own code",
    3: "ended early and can be resumed (budget, interrupted, out of time, exhausted, detached, not finished)",
    4: "the run is locked by another process",
    5: "the teacher refuses (key, quota, model)",
    99: "nothing to do, with --skip-code",
}
"""Meaning of each exit code. Airflow's `skip_on_exit_code` is 99 by default and marks a task as skipped."""


class SelfInstructError(Exception):
    """The base class; `exit_code` is the exit code of a command that ends with this error."""

    exit_code = 1


class UsageError(SelfInstructError):
    """A wrong argument, path or combination of options."""

    exit_code = 2


class ConfigError(UsageError):
    """The configuration can't be used; the message names the key and suggests the right one if it can."""


class SeedError(UsageError):
    """The seed file can't be used. `defects` lists every defect, one line each."""

    def __init__(self, defects: Iterable[str]) -> None:
        self.defects = list(defects)
        super().__init__("\n".join(self.defects))


class ConfigChanged(UsageError):
    """An existing run was made with another configuration; `changes` lists what differs."""

    def __init__(self, message: str, changes: Iterable[str]) -> None:
        self.changes = list(changes)
        super().__init__(message)


class SandboxMissing(UsageError):
    """The sandbox can't be set up here, so no program is run; the message says what to install."""


class RunLocked(SelfInstructError):
    """Another process holds the run's lock."""

    exit_code = 4


class StorageError(SelfInstructError):
    """The run's files can't be read or written; all committed data is safe."""

    exit_code = 3


class JournalDamaged(StorageError):
    """The content of a run's journal is damaged. Nothing is asked or changed; only a copy can help."""

    exit_code = 2

    def __init__(self, path: object, found: str) -> None:
        super().__init__(
            f"{path}: damaged ({found}); nothing was changed. Restore it from a copy, or start a new run; "
            "`sqlite3 journal.sqlite .recover` prints what can still be read of it"
        )


def cannot_write(place: object, error: OSError) -> SelfInstructError:
    """Return the exception for a file or folder that can't be written."""
    # The user can fix permissions, names and missing folders, so these are usage errors.
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UsageError(f"{place}: can't be written ({error.strerror}); make it writable, or choose another folder")
    # Of 'notes.txt/out', the file.
    path = Path(error.filename or "")
    file = next((each for each in (path, *path.parents) if each.is_file()), None)
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and file is not None:
        named = "" if str(place).endswith(str(file)) else f"{file} "
        return UsageError(f"{place}: {named}is a file, not a folder; choose another name")
    if error.errno in (errno.EISDIR, errno.EEXIST):
        return UsageError(f"{place}: {error.strerror}; choose another name")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return UsageError(f"{place}: can't be written, its folder doesn't exist; create it, or choose another folder")
    # Everything else, such as a full disk, may pass: the same command resumes the run.
    what = error.strerror or error
    return StorageError(
        f"{place}: {what}; free some space or fix the disk, then start again: nothing committed is lost"
    )


# ImportError: '...so: failed to map segment from shared object'; RuntimeError: "can't start new thread"
_NO_MEMORY = re.compile("failed to map segment|cannot allocate memory|can't start new thread", re.IGNORECASE)


def _lacks_memory(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, is that the machine has too little memory."""
    for _ in range(9):  # a chain may be a ring
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if isinstance(error, ImportError | RuntimeError) and _NO_MEMORY.search(str(error)):
            return True
        error = error and (error.__cause__ or error.__context__)
    return False


def machine_error(error: Exception) -> SelfInstructError | None:
    """Return the exception for a failure of the machine that no caller expected; None if `error` is a defect."""
    if _lacks_memory(error):
        return StorageError(
            "out of memory: the machine has too little, or `ulimit -v` is low; close other programs, raise the limit, "
            "or lower concurrency, and the same command resumes"
        )
    if not isinstance(error, OSError) or error.errno is None:
        return None
    what = f"{'the output' if error.filename is None else error.filename}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(f"{what}; free some space, and the same command resumes")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return StorageError(f"{what}; raise `ulimit -n` or lower concurrency, and the same command resumes")
    if error.errno in (errno.EIO, errno.ESTALE):
        return StorageError(f"{what}; check the disk, and the same command resumes")
    return None if error.filename is None else UsageError(f"{what}; check this path and its permissions")


class TeacherError(SelfInstructError):
    """The teacher can't answer any more requests."""

    exit_code = 5


class TeacherRefused(TeacherError):
    """The teacher rejects the key, the quota, or the model, and would reject the same request again."""


class TeacherDown(TeacherError):
    """Several requests in a row got no answer at all."""

    exit_code = 3
