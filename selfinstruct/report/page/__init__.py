"""Reports: a run, or a comparison of two runs, as one self-contained HTML page.

`measure` computes all figures from the journal, `charts` draws them as SVG, and `page` renders the HTML.
"""

from __future__ import annotations

from .comparison import Comparison, compare
from .figures import Figures
from .page import figures_of, write_comparison, write_report

__all__ = ["Comparison", "Figures", "compare", "figures_of", "write_comparison", "write_report"]
