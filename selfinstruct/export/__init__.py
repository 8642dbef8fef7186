"""Finished records into a Hugging Face dataset: rows, splits, Parquet, card; and up to the hub.

The only room that writes `datasets`.
"""

from __future__ import annotations

from .dataset import to_dataset, write_dataset
from .formats import FORMATS
from .upload import Upload, plan_upload, push_to_hub

__all__ = ["FORMATS", "Upload", "plan_upload", "push_to_hub", "to_dataset", "write_dataset"]
