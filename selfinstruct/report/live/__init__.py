"""A run in progress as a web page on this machine: figures live, the report when it is asked for; read-only."""

from __future__ import annotations

from .live import Live
from .web import check_place, serving

__all__ = ["Live", "check_place", "serving"]
