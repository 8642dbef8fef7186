"""'repetition': a model that is caught in a loop and says the same words over and over.

The measure is the longest stretch of an answer that repeats itself, for every length of the repeated piece. Gopher's
rules for web pages (Rae et al. 2021, appendix A.1.1) count repeated lines and n-grams anywhere; in an answer of a few
lines a refrain, a table or a list of similar items would fall under them.
"""

from __future__ import annotations

import numpy as np

from ..schema import PASS, Instance, Verdict
from ..text import tokenize
from .answers import without_code

LEAST_TIMES, LEAST_TOKENS = 5, 40
"""A short piece must follow itself so often, and the stretch be so long."""
LONG_TIMES, LONG_TOKENS = 3, 120
"""Fewer times are enough for a whole paragraph."""
MOST_TOKENS = 20_000
"""What stands behind these is not looked at; the work grows with their number times `_LONGEST_PIECE`."""
_LONGEST_PIECE = 100


class Repetition:
    """The stretch counts outside code blocks, and only where its piece has letters: rows of zeros are data.

    An instruction that asks for it ('write this sentence 50 times') is not told apart.
    """

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        tokens = tokenize(without_code(instance.output))[:MOST_TOKENS]
        if len(tokens) < LEAST_TOKENS or 2 * len(set(tokens)) > len(tokens):
            return PASS
        numbers: dict[str, int] = {}
        codes = np.array([numbers.setdefault(token, len(numbers)) for token in tokens])
        for size in range(1, _LONGEST_PIECE + 1):
            least = min(max(LEAST_TIMES * size, LEAST_TOKENS), max(LONG_TIMES * size, LONG_TOKENS))
            if least > len(tokens):
                return PASS
            equal = codes[size:] == codes[:-size]
            if np.count_nonzero(equal) + size < least:  # no run can be long enough, which is so for nearly every answer
                continue
            run, end = _longest_run(equal)
            length = run + size
            if length >= least:
                piece = tokens[end - run : end - run + size]
                if any(char.isalpha() for token in piece for char in token):
                    return Verdict("repetition", f"{length // size} times: {' '.join(piece)[:80]}", float(length))
        return PASS


def _longest_run(equal: np.typing.NDArray[np.bool_]) -> tuple[int, int]:
    """The length of the longest run of True and the place behind it."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], equal, [False])).astype(np.int8)))
    if not len(edges):
        return 0, 0
    starts, ends = edges[::2], edges[1::2]
    best = int(np.argmax(ends - starts))
    return int(ends[best] - starts[best]), int(ends[best])
