"""Evaluation sets, and whether a text overlaps with one of their questions.

    sets = load_sets(["gsm8k.jsonl"], ["question"])
    Overlap(sets.questions).find("Natalia sold clips ...")  ->  Hit or None

Who trains on the questions of a test can't be tested by it any more. Nothing here knows of candidates or runs.
"""

from __future__ import annotations

from .overlap import Hit, Overlap
from .sets import EvaluationSets, Question, load_sets

__all__ = ["EvaluationSets", "Hit", "Overlap", "Question", "load_sets"]
