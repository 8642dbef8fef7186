"""Render figures as one self-contained HTML file with its style sheet, scripts, charts, and rows.

Templates escape every value. In addition, a content security policy allows only the page's own scripts and style sheet,
by their hashes, so that no text of a record can become code even if an escape were missing.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from markupsafe import Markup

from ...core import version as _version
from ...core.counted import dollars, dollars_per_1000_records
from ...core.errors import UsageError, cannot_write
from ...core.visible import visible
from ...dataset.linguistics import finder_for
from ...journal.folder import Run
from ...journal.snapshot import read
from .charts import charts_of
from .facet_map import facet_maps
from .figures import Figures
from .measure import measure
from .record_rows import ReportRow, Selection, blocks, select

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).with_name("templates")
# Number of records at the top of a report.
_SAMPLE = 6
SORT_KEYS = (
    ("status", "status"), ("instruction", "instruction"), ("nearest", "nearest neighbor"), ("score", "F"),
    ("size", "length"), ("question", "question"),
)  # fmt: skip


def report_page(figures: Figures, selection: Selection | None) -> str:
    """Render a report. selection: rows of the table, or None for a page without a table."""
    now = figures.status
    return render(
        "report.html",
        ["page.js"] + (["records.js"] if selection else []),
        figures=figures,
        now=now,
        pairs=figures.pairs,
        state="running" if now.running else f"{now.outcome.reason}: {now.outcome.detail}".rstrip(": "),
        measured=moment(figures.measured_at),
        charts=charts_of(figures),
        maps=facet_maps(figures.coverage),
        sample=_sample(selection) if selection else (),
        selection=selection,
        selected=_selected(selection) if selection else "",
        filters=_filters(figures, selection) if selection else (),
        sort_keys=SORT_KEYS,
        blocks=blocks(selection.rows) if selection else (),
    )


def render(template: str, scripts: Sequence[str], *, styles: Sequence[str] = ("style.css",), **values: Any) -> str:
    """Render a template of this package with these scripts and style sheets, given by their file names."""
    code = [(_TEMPLATES / name).read_text(encoding="utf-8") for name in scripts]
    style = "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in styles)
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(style),  # noqa: S704  (shipped with the package)
            style_hash=Markup(_hash(style)),  # noqa: S704
            scripts=[Markup(text) for text in code],  # noqa: S704
            script_hashes=Markup(" ".join(map(_hash, code))),  # noqa: S704
            version=_version.__version__,
            **values,
        )
    )


_PAGE = b"<!doctype html"


def write_page(path: Path, text: str) -> Path:
    """Write `text` to `path` atomically, or to standard output if that is '-'.

    Raises:
        UsageError: The file is there already, and no page, or can't be written.
        StorageError: The disk is full or fails.
    """
    if str(path) == "-":
        print(text)
        return path
    with contextlib.suppress(OSError):
        if path.read_bytes()[: len(_PAGE)].lower() != _PAGE:
            raise UsageError(f"{path}: already exists, and is no page; name another file")
    # A rename is atomic within a folder, so readers never see half a page.
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        try:
            fresh.write_text(text, encoding="utf-8", errors="replace", newline="\n")
            fresh.replace(path)
        finally:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None
    return path


def moment(seconds: float) -> str:
    """Format a Unix time in UTC, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


@lru_cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": visible,
        "count": "{:,.0f}".format,
        "share": "{:.1%}".format,
        "px": "{:.1f}".format,
    }
    environment.filters |= {"dollars": dollars, "per_1000": dollars_per_1000_records, "of": _share}
    return environment


def _share(count: int, total: int) -> str:
    return f"{count / total:.1%}" if total else "–"


def _hash(text: str) -> str:
    # The form of a content security policy: 'sha256-<base64>'.
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _sample(selection: Selection) -> list[ReportRow]:
    """Return the records at the top of the page, drawn with a fixed seed."""
    records = [row for row in selection.rows if row.kind == "record"]
    return records if len(records) <= _SAMPLE else random.Random("sample").sample(records, _SAMPLE)


def _selected(selection: Selection) -> str:
    records, refused = selection.count("record"), selection.count("refused")
    of_records = _of(records, selection.total["record"])
    text = f"{of_records} records and {_of(refused, selection.total['refused'])} refused candidates"
    waiting = selection.count("waiting")
    if waiting:
        text += f", plus {waiting:,} admitted tasks that are not records (unfinished, or beyond the target)"
    if records < selection.total["record"] or refused < selection.total["refused"]:
        text += "; a fixed random sample, with the nearest neighbor of each"
    return text + "."


def _of(count: int, total: int) -> str:
    return f"{count:,}" if count == total else f"{count:,} of {total:,}"


def _filters(figures: Figures, selection: Selection) -> list[tuple[str, str]]:
    """Return the options of the table's filter: (value for records.js, label)."""
    options = [("tasks", "records and refused"), ("kind:record", "records"), ("kind:refused", "all refused")]
    names = sorted({row.reason for row in selection.rows if row.kind == "refused" and row.reason})
    options += [(f"reason:{name}", f"refused: {name}") for name in names]
    options += [("kind:waiting", "admitted, not a record")] if selection.count("waiting") else []
    return options + ([("kind:seed", "seed tasks")] if selection.count("seed") else [])


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
