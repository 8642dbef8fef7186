"""The check 'repetition': rejects an answer in which the model is caught in a loop and repeats the same words.

The check measures the longest periodic stretch of tokens ('ha ha ha ...', or a repeated paragraph), for every length of
the period. Gopher's rules for web pages (Rae et al. 2021, appendix A.1.1) count repeated lines and n-grams anywhere;
in an answer of a few lines they would reject refrains, tables, and lists of similar items.
"""

from __future__ import annotations

from ..core.code_blocks import without_code
from ..core.prompts import Ask
from ..core.records import Example
from ..core.tasks import PASS, Candidate, Verdict
from ..core.tokens import tokenize

LEAST_TIMES, LEAST_TOKENS = 5, 40
"""A short piece must occur at least this often in a row, and the stretch must have at least this many tokens."""
LONG_TIMES, LONG_TOKENS = 3, 120
"""For a whole paragraph, fewer repetitions are enough."""
MOST_TOKENS = 20_000
"""Tokens after these are ignored, because the time is proportional to their number times `_LONGEST_PIECE`."""
_LONGEST_PIECE = 100
# Every `_STEP` tokens, search for the next `_PROBE` tokens further on.
_STEP, _PROBE = 20, 8


class Repetition:
    """Rejects periodic stretches outside code blocks, even if the instruction asks to write a sentence 50 times."""

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        tokens = tokenize(without_code(example.output))[:MOST_TOKENS]
        # A text with a long periodic stretch has few distinct tokens.
        if len(tokens) < LEAST_TOKENS or 2 * len(set(tokens)) > len(tokens):
            return PASS
        for size in _candidate_sizes(tokens):
            length, start = _longest_stretch(tokens, size)
            if length >= _least_length(size):
                # A row of zeros is data, so the piece must contain a letter.
                piece = tokens[start : start + size]
                if any(char.isalpha() for token in piece for char in token):
                    return Verdict("repetition", f"{length // size} times: {' '.join(piece)[:80]}", float(length))
        return PASS


def _least_length(size: int) -> int:
    return min(max(LEAST_TIMES * size, LEAST_TOKENS), max(LONG_TIMES * size, LONG_TOKENS))


def _candidate_sizes(tokens: list[str]) -> list[int]:
    """Return all sizes of pieces that could repeat for long enough, smallest first."""
    sizes: set[int] = set()
    # Probing every `_STEP` tokens misses no stretch: a stretch to reject contains one of the probed positions and,
    # `size` tokens later, the same tokens again, since _least_length(size) >= size + _STEP + _PROBE for every size.
    for place in range(0, len(tokens) - _PROBE, _STEP):
        probe = tokens[place : place + _PROBE]
        for size in range(1, min(_LONGEST_PIECE, len(tokens) - _PROBE - place) + 1):
            if tokens[place + size] == probe[0] and tokens[place + size : place + size + _PROBE] == probe:
                sizes.add(size)
    return sorted(sizes)


def _longest_stretch(tokens: list[str], size: int) -> tuple[int, int]:
    """Return length and start of the first longest stretch in which every token recurs `size` tokens later."""
    longest = start = run = 0
    for place, (one, other) in enumerate(zip(tokens, tokens[size:], strict=False), 1):
        run = run + 1 if one == other else 0
        if run > longest:
            longest, start = run, place - run
    return longest + size, start
