"""A dataset against a trainer's contract: columns, roles, order, emptiness, lengths, and what to change.

Needs no trainer and no run: it reads any table, in bounded memory. To add a trainer: a file in `trainers/` with its
`Contract`, and a line in `TRAINERS`.
"""

from __future__ import annotations

from .contract import Contract
from .contracts import TRAINERS
from .findings import Finding, Report
from .open_dataset import contract_of
from .validation import config_stub, validate_dataset

__all__ = ["TRAINERS", "Contract", "Finding", "Report", "config_stub", "contract_of", "validate_dataset"]
