"""A model that grades worked tasks, the rubric it is given, and how far its marks agree with people's."""

from __future__ import annotations

from .agreement import Agreement, Pair, agreement, load_golden
from .rubric import CRITERIA, Judge, read_scores, rubric_digest

__all__ = ["CRITERIA", "Agreement", "Judge", "Pair", "agreement", "load_golden", "read_scores", "rubric_digest"]
