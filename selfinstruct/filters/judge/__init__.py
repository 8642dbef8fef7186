"""The judge: a model that grades worked tasks, its rubric, and the agreement of its marks with human marks."""

from __future__ import annotations

from .agreement import Agreement, GoldenPair, agreement, load_golden
from .read_marks import CRITERIA
from .rubric import Judge, read_scores, rubric_digest

__all__ = ["CRITERIA", "Agreement", "GoldenPair", "Judge", "agreement", "load_golden", "read_scores", "rubric_digest"]
