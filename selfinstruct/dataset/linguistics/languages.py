"""Which languages texts are in, as `py3langid` takes their beginnings to be: quick, and a guess for short ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from ...core.tasks import Record

LANGUAGES_OF = 5000
"""Records whose language is looked at: about 2 seconds."""
_WRITTEN_ALIKE = {"wuu": "zh", "yue": "zh"}
"""What a guess from some characters can't tell apart: Chinese, whoever speaks it."""
_LANGUAGE_CHARS = 150
"""So much of each text is enough to tell a record's language."""


def languages(records: Sequence[Record]) -> tuple[tuple[str, int], ...]:
    """Languages by their ISO 639-1 code and how many records each has, the most frequent first.

    Of more than `LANGUAGES_OF` records, those of a draw with a fixed seed.
    """
    import py3langid

    drawn = records if len(records) <= LANGUAGES_OF else random.Random("languages").sample(records, LANGUAGES_OF)
    found: Counter[str] = Counter()
    for record in drawn:
        first = record.instances[0] if record.instances else None
        texts = (record.instruction, first.input, first.output) if first else (record.instruction,)
        guess = str(py3langid.classify("\n".join(text[:_LANGUAGE_CHARS] for text in texts))[0])
        found[_WRITTEN_ALIKE.get(guess, guess)] += 1
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))
