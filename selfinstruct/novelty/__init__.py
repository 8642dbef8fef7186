"""Exact ROUGE-L near-duplicate search over a growing pool of texts."""

from __future__ import annotations

from .index import NoveltyIndex, Similar, Work
from .join import Join, Joined
from .score import rouge_l

__all__ = ["Join", "Joined", "NoveltyIndex", "Similar", "Work", "rouge_l"]
