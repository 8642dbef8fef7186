"""Two runs side by side as an HTML page in the style of a report."""

from __future__ import annotations

from pathlib import Path

from .charts import Chart, charts_of
from .comparison import Comparison
from .figures import Figures
from .page import moment, render, write_page
from .wheel import wheel

_SHOWN = (
    ("Yield", ("yield", "cost")),
    ("Nearest neighbours", ("scores",)),
    ("Lengths", ("length-instruction", "length-input", "length-output")),
    ("What is asked for", ("wheel",)),
)


def comparison_page(comparison: Comparison) -> str:
    """The comparison as HTML: every measure as a line of a table, then the charts of both runs in pairs."""
    a, b = comparison.a.figures, comparison.b.figures
    of_a, of_b = _charts(a), _charts(b)
    sections = [
        (title, [(of_a.get(id), of_b.get(id)) for id in ids if id in of_a or id in of_b]) for title, ids in _SHOWN
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
    """Write the page and return its path. Raises UsageError or StorageError when it can't be written."""
    return write_page(Path(path), comparison_page(comparison))


def _charts(figures: Figures) -> dict[str, Chart]:
    return charts_of(figures) | ({"wheel": wheel(figures.pairs)} if figures.pairs.verbs else {})
