"""Datasets of many machines into one: `selfinstruct merge RUN_OR_DATASET... OUT`, and the same from Python."""

from __future__ import annotations

from .card import SourceCount
from .run import Merged, merge_datasets

__all__ = ["Merged", "SourceCount", "merge_datasets"]
