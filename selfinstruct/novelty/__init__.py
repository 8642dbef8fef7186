"""Exact ROUGE-L near-duplicate search over a pool of texts: `NoveltyIndex` one by one, `Join` for whole sets."""

from __future__ import annotations

from .index import NoveltyIndex, Similar, Work
from .join import Join, Joined
from .score import rouge_l

__all__ = ["Join", "Joined", "NoveltyIndex", "Similar", "Work", "rouge_l"]
