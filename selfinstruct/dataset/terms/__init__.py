"""Published terms for teacher outputs and seeds, and their consequences for a dataset. Not legal advice.

The terms are data in `terms.yaml`, each with its address and the day on which it was read. Terms that are not in the
table are reported as unknown; a license is never guessed.
"""

from __future__ import annotations

from .consequences import Statement, consequences
from .table import SEEDS, SourceTerms, TeacherTerms, Terms, document_terms, load_table, seed_terms, terms_of

__all__ = [
    "SEEDS",
    "SourceTerms",
    "Statement",
    "TeacherTerms",
    "Terms",
    "consequences",
    "document_terms",
    "load_table",
    "seed_terms",
    "terms_of",
]
