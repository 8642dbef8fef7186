"""The entry points of the library and the command line: measure a run, and write its report."""

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
    """Measure a run. parser: 'auto' uses spaCy if it and a model are installed, otherwise the word list."""
    with read(run) as snapshot:
        return measure(snapshot, finder_for(parser))


def write_report(
    run: Run | str | Path, path: str | Path | None = None, *, max_records: int | None = None, parser: Parser = "auto"
) -> Path:
    """Write a run's report as one HTML file and return its path.

    Args:
        run: The run, or its folder.
        path: The file to write; by default `report.html` in the run's folder.
        max_records: Maximum number of records, and of refused candidates, in the table, as a fixed random sample. None
            includes all; 0 leaves the table out.
        parser: 'auto' uses spaCy if it and a model are installed, otherwise the word list.

    Raises:
        UsageError: `run` isn't a run's folder, or `path` can't be written.
        StorageError: The disk is full.
    """
    with read(run) as snapshot:
        figures = measure(snapshot, finder_for(parser))
        selection = None if max_records == 0 else select(snapshot, max_records)
        folder = snapshot.run.path
    return write_page(Path(path or folder / "report.html"), report_page(figures, selection))
