"""What the library and the command line call: a run measured, a run's report written."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ...dataset.linguistics import finder_for
from ...journal.folder import Run
from ...journal.snapshot import read
from .figures import Figures
from .measure import measure
from .page import report_page, write_page
from .record_rows import select

Parser = Literal["auto", "word-list"]


def figures_of(run: Run | str | Path, *, parser: Parser = "auto") -> Figures:
    """A run's figures. parser: 'auto' takes spaCy where it and a model are installed, else the word list."""
    with read(run) as snapshot:
        return measure(snapshot, finder_for(parser))


def write_report(
    run: Run | str | Path, path: str | Path | None = None, *, max_records: int | None = None, parser: Parser = "auto"
) -> Path:
    """Write a run's report as one HTML file and return its path; `report.html` in the run's folder by default.

    max_records: so many records and as many refused candidates lie in it at most, by a fixed draw; 0: none, and
    the page has no table; None: all.
    Raises UsageError when `run` isn't a run's folder or `path` can't be written, StorageError when there is no room.
    """
    with read(run) as snapshot:
        figures = measure(snapshot, finder_for(parser))
        selection = None if max_records == 0 else select(snapshot, max_records)
        folder = snapshot.run.path
    return write_page(Path(path or folder / "report.html"), report_page(figures, selection))
