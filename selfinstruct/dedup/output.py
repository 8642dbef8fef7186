"""Where the rows go: the form by the name's suffix, written beside and put in place in one step."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import SelfInstructError, StorageError, UsageError
from ..tables import CsvWriter, JsonLinesWriter, ParquetWriter, Writer
from ..tables.replace_folder import replace_folder
from .dedup_card import is_ours

_WRITERS: dict[str, Callable[[], Writer]] = {
    ".jsonl": JsonLinesWriter,
    ".ndjson": JsonLinesWriter,
    ".parquet": ParquetWriter,
    ".csv": lambda: CsvWriter(","),
    ".tsv": lambda: CsvWriter("\t"),
    "": lambda: ParquetWriter(shards=True),
}
_FILE_FORMS = ".jsonl, .ndjson, .parquet, .csv or .tsv"


class Output:
    """A file, or a dataset folder where the name has no suffix."""

    def __init__(self, path: str, sources: Sequence[str], *, folder: bool = True, overwrite: bool = False) -> None:
        """Raises UsageError for a name that can't be written. sources: what is read; folder: may it be one?"""
        self.path = Path(path)
        suffix = "" if path.endswith(("/", os.sep)) else self.path.suffix.lower()
        self.is_folder = suffix == ""
        if suffix not in _WRITERS or (self.is_folder and not folder):
            choice = f"{_FILE_FORMS}{', or have no suffix for a dataset folder' if folder else ''}"
            raise UsageError(f"{path}: the name must end in {choice}")
        for source in sources:
            if source != "-" and os.path.exists(source):
                self._check_apart(source)
        if self.path.exists():
            if self.path.is_dir() != self.is_folder:
                raise UsageError(f"{path}: is {'a directory' if self.path.is_dir() else 'a file'}; give another name")
            if not overwrite:
                raise UsageError(f"{path}: is already there; --overwrite replaces it")
            if self.is_folder and not is_ours(self.path):
                raise UsageError(f"{path}: is a folder that this command didn't write; give another name")
        self.writer: Writer = _WRITERS[suffix]()

    @property
    def fresh(self) -> Path:
        """Where it is written first."""
        return self.path.with_name(f".{self.path.name}-{os.getpid()}")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What is written to `fresh`, and closed, inside takes its place when all went well, and else goes away."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._remove_fresh()
        try:
            yield
            if self.is_folder:
                replace_folder(self.path, self.fresh)
            else:
                self.fresh.replace(self.path)
        finally:
            self._remove_fresh()

    def _check_apart(self, source: str) -> None:
        """Raise UsageError when writing would touch what is read."""
        own, other = self.path.resolve(), Path(source).resolve()
        if own == other:
            raise UsageError(f"{self.path}: is also an input; write elsewhere")
        if own.is_relative_to(other):
            raise UsageError(f"{self.path}: lies in the input {source}; write elsewhere")
        if self.is_folder and other.is_relative_to(own):
            raise UsageError(f"{self.path}: holds the input {source}; write elsewhere")

    def _remove_fresh(self) -> None:
        if self.fresh.is_dir():
            shutil.rmtree(self.fresh, ignore_errors=True)
        else:
            self.fresh.unlink(missing_ok=True)


def open_outputs(
    out: str | os.PathLike[str], explain: str | os.PathLike[str] | None, reads: Sequence[str], overwrite: bool
) -> tuple[Output, Output | None]:
    """Where the rows go that stay, and where the refused ones; raises UsageError where one is in the other's way."""
    output = Output(os.fspath(out), reads, overwrite=overwrite)
    if explain is None:
        return output, None
    explained = Output(os.fspath(explain), reads, folder=False, overwrite=overwrite)
    own, other = output.path.resolve(), explained.path.resolve()
    if own == other:
        raise UsageError(f"{explained.path}: is named for the rows that stay and for the refused ones")
    if output.is_folder and other.is_relative_to(own):
        raise UsageError(f"{explained.path}: lies in the output {output.path}; write elsewhere")
    return output, explained


def nothing_written(output: Output, error: OSError) -> SelfInstructError:
    """Why the disk refused: permissions are for the user to change, anything else may pass."""
    name = str(error.filename or output.path).replace(str(output.fresh), str(output.path))
    what = f"{name}: {error.strerror or error}; nothing was written"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UsageError(f"{what}; mend the permissions, or name another place")
    return StorageError(f"{what}; make room, or write elsewhere")
