"""Exact ROUGE-L near-duplicate search over a growing pool of texts."""

from __future__ import annotations

from .index import NoveltyIndex, rouge_l

__all__ = ["NoveltyIndex", "rouge_l"]
