"""Guess the language of records with `py3langid`, from the beginning of each text. Short texts are often misjudged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from ...core.records import Record

LANGUAGES_OF = 5000
"""Maximum number of records to classify, which takes about 2 seconds."""
_MERGED = {"wuu": "zh", "yue": "zh"}
"""Languages that the classifier cannot reliably tell apart: varieties of Chinese."""
_LANGUAGE_CHARS = 150
"""Characters of each text passed to the classifier."""


def languages(records: Sequence[Record]) -> tuple[tuple[str, int], ...]:
    """Count records by ISO 639-1 language code, most frequent first.

    Above `LANGUAGES_OF` records, count a sample drawn with a fixed seed.
    """
    import py3langid

    sample = records if len(records) <= LANGUAGES_OF else random.Random("languages").sample(records, LANGUAGES_OF)
    counts: Counter[str] = Counter()
    for record in sample:
        texts = (record.instruction, record.examples[0].given, record.examples[0].output)
        # Classify the texts together, because the classifier is unreliable on short ones.
        guess = str(py3langid.classify("\n".join(text[:_LANGUAGE_CHARS] for text in texts))[0])
        counts[_MERGED.get(guess, guess)] += 1
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
