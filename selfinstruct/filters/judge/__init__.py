"""The judge: a model that grades worked tasks or compares answers, and its agreement with people."""

from __future__ import annotations

from .agreement import Agreement, GoldenPair, agreement, load_golden
from .compare import PairwiseJudge, comparison_digest
from .read_marks import CRITERIA
from .rubric import Judge, read_scores, rubric_digest

__all__ = [
    "CRITERIA",
    "Agreement",
    "GoldenPair",
    "Judge",
    "PairwiseJudge",
    "agreement",
    "comparison_digest",
    "load_golden",
    "read_scores",
    "rubric_digest",
]
