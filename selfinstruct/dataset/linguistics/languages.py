"""Guess the language of texts with `py3langid`, from the beginning of each. Short texts are often misjudged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from ...core.records import Record

LANGUAGES_OF = 5000
"""Maximum number of records to classify, which takes about 2 seconds."""
_MERGED = {"wuu": "zh", "yue": "zh"}
"""Languages that the classifier cannot reliably tell apart: varieties of Chinese."""
_LANGUAGE_CHARS = 150
"""Characters of each text passed to the classifier."""
_LONG_BYTES, _LEAST_TEXTS, _MOST_TEXTS, _CLEAR = 30, 5, 200, 0.8
"""`most_frequent` looks at this many texts of this length in UTF-8, and is sure from this share."""
_RELATIVES = [{"no", "nb", "nn", "da"}, {"hr", "bs", "sr", "sl"}, {"id", "ms", "jv"}, {"fil", "tl"}, {"cs", "sk"},
              {"pt", "gl"}, {"zh", "yue", "wuu"}, {"af", "nl"}]  # fmt: skip


class MostFrequent(NamedTuple):
    """The language of `texts` texts out of `of`, as an ISO 639-1 code."""

    code: str
    texts: int
    of: int


def most_frequent(texts: Sequence[str]) -> MostFrequent | None:
    """Return the language of most of the texts that are long enough; None if there are few, or if it isn't clear."""
    long = [text for text in texts if len(text.encode("utf-8", "replace")) >= _LONG_BYTES][:_MOST_TEXTS]
    if len(long) < _LEAST_TEXTS:
        return None
    [(name, count)] = Counter(language_of([text]) for text in long).most_common(1)
    return MostFrequent(name, count, len(long)) if count >= _CLEAR * len(long) else None


def alike(one: str, other: str) -> bool:
    """Return whether two languages are the same, or too similar for the classifier."""
    return one == other or any({one, other} <= group for group in _RELATIVES)


def language_of(texts: Sequence[str]) -> str:
    """Return the likeliest ISO 639-1 code of texts that belong together, such as an instruction and its output."""
    import py3langid

    # Classify the texts together, because the classifier is unreliable on short ones.
    guess = str(py3langid.classify("\n".join(text[:_LANGUAGE_CHARS] for text in texts))[0])
    return _MERGED.get(guess, guess)


def languages(records: Sequence[Record]) -> tuple[tuple[str, int], ...]:
    """Count records by ISO 639-1 language code, most frequent first.

    Above `LANGUAGES_OF` records, count a sample drawn with a fixed seed.
    """
    sample = records if len(records) <= LANGUAGES_OF else random.Random("languages").sample(records, LANGUAGES_OF)
    counts: Counter[str] = Counter()
    for record in sample:
        texts = (record.instruction, record.examples[0].given, record.examples[0].output)
        counts[language_of(texts)] += 1
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
