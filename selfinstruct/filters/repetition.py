"""'repetition': a model that is caught in a loop and says the same words over and over.

The measure is the longest stretch of an answer that repeats itself, for every length of the repeated piece. Gopher's
rules for web pages (Rae et al. 2021, appendix A.1.1) count repeated lines and n-grams anywhere; in an answer of a few
lines a refrain, a table or a list of similar items would fall under them.
"""

from __future__ import annotations

from ..core.tasks import PASS, Instance, Verdict
from ..core.tokens import tokenize
from .answers import without_code

LEAST_TIMES, LEAST_TOKENS = 5, 40
"""A short piece must follow itself so often, and the stretch be so long."""
LONG_TIMES, LONG_TOKENS = 3, 120
"""Fewer times are enough for a whole paragraph."""
MOST_TOKENS = 20_000
"""What stands behind these is not looked at; the work grows with their number times `_LONGEST_PIECE`."""
_LONGEST_PIECE = 100
_STEP, _GLIMPSE = 20, 8
"""Every so many tokens this many are looked for further on: no stretch that counts can lie between two such places."""


class Repetition:
    """The stretch counts outside code blocks, and only where its piece has letters: rows of zeros are data.

    An instruction that asks for it ('write this sentence 50 times') is not told apart.
    """

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        tokens = tokenize(without_code(instance.output))[:MOST_TOKENS]
        if len(tokens) < LEAST_TOKENS or 2 * len(set(tokens)) > len(tokens):
            return PASS
        for size in _suspects(tokens):
            length, start = _longest_stretch(tokens, size)
            if length >= _least(size):
                piece = tokens[start : start + size]
                if any(char.isalpha() for token in piece for char in token):
                    return Verdict("repetition", f"{length // size} times: {' '.join(piece)[:80]}", float(length))
        return PASS


def _least(size: int) -> int:
    """How long a stretch of pieces of `size` tokens must be to count."""
    return min(max(LEAST_TIMES * size, LEAST_TOKENS), max(LONG_TIMES * size, LONG_TOKENS))


def _suspects(tokens: list[str]) -> list[int]:
    """All sizes of pieces that could repeat for long enough, the smallest first.

    In a stretch that counts, one of the first `_STEP` tokens is looked at, and what begins there stands again `size`
    tokens later, still inside: `_least(size) >= size + _STEP + _GLIMPSE` for every size.
    """
    sizes: set[int] = set()
    for place in range(0, len(tokens) - _GLIMPSE, _STEP):
        glimpse = tokens[place : place + _GLIMPSE]
        for size in range(1, min(_LONGEST_PIECE, len(tokens) - _GLIMPSE - place) + 1):
            if tokens[place + size] == glimpse[0] and tokens[place + size : place + size + _GLIMPSE] == glimpse:
                sizes.add(size)
    return sorted(sizes)


def _longest_stretch(tokens: list[str], size: int) -> tuple[int, int]:
    """The length and the start of the first longest stretch in which every token stands again `size` tokens later."""
    longest = start = run = 0
    for place, (one, other) in enumerate(zip(tokens, tokens[size:], strict=False), 1):
        run = run + 1 if one == other else 0
        if run > longest:
            longest, start = run, place - run
    return longest + size, start
