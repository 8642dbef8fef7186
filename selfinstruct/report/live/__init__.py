"""A read-only web page of a run in progress, for `selfinstruct serve`: live figures, and the report on request."""

from __future__ import annotations

from .live import Live
from .web import check_place, serving

__all__ = ["Live", "check_place", "serving"]
