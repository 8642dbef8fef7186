"""Render a comparison of two runs as an HTML page in the style of a report."""

from __future__ import annotations

from pathlib import Path

from .charts import Chart, charts_of
from .comparison import Comparison
from .figures import Figures
from .page import moment, render, write_page
from .wheel import wheel

# Title and charts of each section.
_SECTIONS = (
    ("Yield", ("yield", "cost")),
    ("Nearest neighbors", ("scores",)),
    ("Lengths", ("length-instruction", "length-input", "length-output")),
    ("Verbs and objects", ("wheel",)),
)


def comparison_page(comparison: Comparison) -> str:
    """Render a table of all measures, and the charts of both runs in pairs."""
    a, b = comparison.a.figures, comparison.b.figures
    charts_a, charts_b = _charts(a), _charts(b)
    sections = [
        (title, [(charts_a.get(id), charts_b.get(id)) for id in ids if id in charts_a or id in charts_b])
        for title, ids in _SECTIONS
    ]
    return render(
        "compare.html",
        ["page.js"],
        a=a,
        b=b,
        measures=comparison.measures,
        sampled=comparison.sampled,
        sections=[(title, pairs) for title, pairs in sections if pairs],
        measured=moment(b.measured_at),
    )


def write_comparison(comparison: Comparison, path: str | Path) -> Path:
    """Write the page and return its path. Raises UsageError or StorageError if that fails."""
    return write_page(Path(path), comparison_page(comparison))


def _charts(figures: Figures) -> dict[str, Chart]:
    return charts_of(figures) | ({"wheel": wheel(figures.pairs)} if figures.pairs.verbs else {})
