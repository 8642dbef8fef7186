"""Remove near-duplicates from an existing dataset: `selfinstruct dedup IN... OUT`, and the same from Python."""

from __future__ import annotations

from .deduplicate import Deduplicated, deduplicate

__all__ = ["Deduplicated", "deduplicate"]
