"""`Output`: a file, dataset folder, or standard output; written to a temporary path, then moved into place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import UsageError, cannot_write
from ..tables import WRITERS, ParquetWriter, Writer
from ..tables.replace_folder import beside_file, replace_file, replace_folder, write_manifest
from .dedup_card import is_ours
from .options import DedupOptions

_FILE_FORMS = f"{', '.join([*WRITERS][:-1])} or {[*WRITERS][-1]}"


class Output:
    """A file, a dataset folder if the name has no suffix, or standard output ('-'), which gets JSON Lines."""

    def __init__(self, path: str, sources: Sequence[str], *, folder: bool = True, overwrite: bool = False) -> None:
        """Check that the output can be written and does not overlap with `sources`; raises UsageError otherwise."""
        self.path, self._real = Path(path), Path(path).resolve()
        suffix = "" if path.endswith(("/", os.sep)) else ".jsonl" if path == "-" else self.path.suffix.lower()
        self.is_folder = suffix == ""
        if (not self.is_folder and suffix not in WRITERS) or ((self.is_folder or path == "-") and not folder):
            choice = f"{_FILE_FORMS}{', or have no suffix for a dataset folder' if folder else ''}"
            raise UsageError(f"{path}: the output's name must end in {choice}")
        # Never touch an input, and replace only what this command has written before.
        for source in sources:
            if source != "-" and os.path.exists(source):
                self._check_apart(source)
        if path != "-" and self.path.exists():
            if self.path.is_dir() != self.is_folder:
                raise UsageError(f"{path}: is {'a directory' if self.path.is_dir() else 'a file'}; give another name")
            if not overwrite:
                raise UsageError(f"{path}: already exists; --overwrite replaces it")
            if self.is_folder and not is_ours(self.path):
                raise UsageError(f"{path}: is a folder that this command didn't write; give another name")
        self.writer: Writer = ParquetWriter(shards=True) if self.is_folder else WRITERS[suffix]()
        # The temporary path, next to the output, or to what a link in its place leads to.
        self.fresh = beside_file(self.path)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """On success, move what was written to `fresh` into place; otherwise delete it."""
        self._real.parent.mkdir(parents=True, exist_ok=True)
        self._remove_fresh()
        try:
            yield
            if self.is_folder:
                write_manifest(self.fresh)
                replace_folder(self._real, self.fresh)
            else:
                replace_file(self.path, self.fresh)
        finally:
            self._remove_fresh()

    def _check_apart(self, source: str) -> None:
        """Raise UsageError if writing would touch `source`."""
        own, other = self.path.resolve(), Path(source).resolve()
        if own == other:
            raise UsageError(f"{self.path}: is also an input; write elsewhere")
        if own.is_relative_to(other):
            raise UsageError(f"{self.path}: is inside the input {source}; write elsewhere")
        if self.is_folder and other.is_relative_to(own):
            raise UsageError(f"{self.path}: contains the input {source}; write elsewhere")

    def _remove_fresh(self) -> None:
        if self.fresh.is_dir():
            shutil.rmtree(self.fresh, ignore_errors=True)
        else:
            self.fresh.unlink(missing_ok=True)


def open_outputs(
    out: str | os.PathLike[str], reads: Sequence[str], options: DedupOptions
) -> tuple[Output, Output | None]:
    """Check the outputs for kept and refused rows. Raises UsageError if one can't be written, or if they overlap."""
    output = Output(os.fspath(out), reads, overwrite=options.overwrite)
    if options.explain is None:
        return output, None
    explained = Output(os.fspath(options.explain), reads, folder=False, overwrite=options.overwrite)
    own, other = output.path.resolve(), explained.path.resolve()
    if own == other:
        raise UsageError(f"{explained.path}: is named for both the kept and the refused rows; give two names")
    if output.is_folder and other.is_relative_to(own):
        raise UsageError(f"{explained.path}: is inside the output {output.path}; write elsewhere")
    return output, explained


@contextmanager
def report_disk_errors(output: Output) -> Iterator[None]:
    """Turn an OSError into a UsageError or a StorageError."""
    try:
        yield
    except OSError as error:
        name = str(error.filename or output.path).replace(str(output.fresh), str(output.path))
        raise cannot_write(name, error) from None
