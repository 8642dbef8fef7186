"""Load evaluation sets, and find overlaps of a text with their questions. Independent of candidates and runs.

    sets = load_sets(["gsm8k.jsonl"], ["question"])
    Overlap(sets.questions).find("Natalia sold clips ...")  ->  Hit or None

A model that was trained on the questions of a test set can't be evaluated with that set.
"""

from __future__ import annotations

from .overlap import EvaluationQuestion, EvaluationSets, Hit, Overlap, load_sets

__all__ = ["EvaluationQuestion", "EvaluationSets", "Hit", "Overlap", "load_sets"]
