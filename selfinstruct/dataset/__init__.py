"""Convert finished records to a Hugging Face dataset (rows, splits, Parquet files, card), and upload it to the hub.

Only this package writes with `datasets`.
"""

from __future__ import annotations

from .formats import FORMATS
from .hub_upload import Upload, plan_upload, push_to_hub
from .write import to_dataset, write_dataset

__all__ = ["FORMATS", "Upload", "plan_upload", "push_to_hub", "to_dataset", "write_dataset"]
