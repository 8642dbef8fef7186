"""Reports: a run as one self-contained HTML page.

`measure` computes all figures from the journal, `charts` draws them as SVG, and `page` renders the HTML.
"""

from __future__ import annotations

from .figures import Figures
from .page import figures_of, write_report

__all__ = ["Figures", "figures_of", "write_report"]
