"""What published terms say of a teacher's outputs and of the seeds, and what follows for the dataset. No legal advice.

The terms are data, in `terms.yaml`, each with its address and the day on which it was read. What isn't there stays
unknown; no licence is ever guessed.
"""

from __future__ import annotations

from .consequences import Statement, consequences
from .table import SeedTerms, TeacherTerms, Terms, load_table, seed_terms, terms_of

__all__ = [
    "SeedTerms",
    "Statement",
    "TeacherTerms",
    "Terms",
    "consequences",
    "load_table",
    "seed_terms",
    "terms_of",
]
