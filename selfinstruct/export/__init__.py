"""Finished records into a Hugging Face dataset: rows, splits, Parquet, card. The only room that writes `datasets`."""

from __future__ import annotations

from .dataset import to_dataset, write_dataset
from .formats import FORMATS

__all__ = ["FORMATS", "to_dataset", "write_dataset"]
