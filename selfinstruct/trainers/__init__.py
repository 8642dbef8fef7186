"""Check a dataset against a trainer's contract (columns, roles, order, emptiness, lengths) and say what to change.

Needs neither the trainer nor a run: reads any table, in bounded memory. To add a trainer, write an entry in
`contracts.yaml`, and the function for its configuration, if it has one, in `config_files`.
"""

from __future__ import annotations

from .contract import TRAINERS, Contract
from .findings import Finding, Report
from .open_dataset import contract_of
from .validation import config_stub, validate_dataset

__all__ = ["TRAINERS", "Contract", "Finding", "Report", "config_stub", "contract_of", "validate_dataset"]
