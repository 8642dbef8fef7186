"""A run as one HTML page that explains itself, and two runs side by side.

Figures come from the journal alone (`measure`), charts are SVG made here, and the page loads nothing.
"""

from __future__ import annotations

from .compare_page import write_comparison
from .comparison import Comparison, compare
from .figures import Figures
from .write_page import figures_of, write_report

__all__ = ["Comparison", "Figures", "compare", "figures_of", "write_comparison", "write_report"]
