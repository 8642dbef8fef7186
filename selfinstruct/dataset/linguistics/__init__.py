"""Describe texts: their languages, and the verbs and objects of instructions. Used by the card and the report."""

from __future__ import annotations

from .languages import LANGUAGES_OF, alike, languages, most_frequent
from .verb_noun import Finder, Verb, VerbNouns, finder_for, suited, verb_nouns
from .word_list import WordList

__all__ = ["LANGUAGES_OF", "Finder", "Verb", "VerbNouns", "WordList", "alike", "finder_for", "languages",
           "most_frequent", "suited", "verb_nouns"]  # fmt: skip
