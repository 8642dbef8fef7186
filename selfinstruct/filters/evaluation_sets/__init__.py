"""Evaluation sets, and whether a text overlaps with one of their questions.

    sets = load_sets(["gsm8k.jsonl"], ["question"])
    Overlap(sets.questions).find("Natalia sold clips ...")  ->  Hit or None

A model trained on the questions of a test set can't be evaluated with it. This package is independent of
candidates and runs.
"""

from __future__ import annotations

from .overlap import Hit, Overlap
from .sets import EvaluationSets, Question, load_sets

__all__ = ["EvaluationSets", "Hit", "Overlap", "Question", "load_sets"]
