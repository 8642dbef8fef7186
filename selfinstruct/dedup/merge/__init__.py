"""Merge datasets of many machines into one: `selfinstruct merge RUN_OR_DATASET... OUT`, and the same from Python."""

from __future__ import annotations

from .merge_card import SourceCount
from .merge_datasets import Merged, merge_datasets

__all__ = ["Merged", "SourceCount", "merge_datasets"]
