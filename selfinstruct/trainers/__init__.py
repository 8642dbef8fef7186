"""Check a dataset against a trainer's contract (columns, roles, order, emptiness, lengths) and say what to change.

Needs neither the trainer nor a run: reads any table, in bounded memory. To add a trainer, write a file in `contracts/`
with its `Contract`, and add a line to `TRAINERS`.
"""

from __future__ import annotations

from .contract import Contract
from .contracts import TRAINERS
from .findings import Finding, Report
from .open_dataset import contract_of
from .validation import config_stub, validate_dataset

__all__ = ["TRAINERS", "Contract", "Finding", "Report", "config_stub", "contract_of", "validate_dataset"]
