"""Find the runs of tokens that a text shares with a question, if they are long and specific to the question.

Two lengths count: 13 tokens, as for GPT-3's training data (Brown et al. 2020, appendix C), and 8, the minimum in that
paper for short test items and the usual length for instruction data (Lambert et al. 2024, 'Tülu 3'; Muennighoff et al.
2025, 's1'). A run must have at least 13 characters, because eight Chinese characters are only about four words; a whole
question of 8 to 12 tokens counts as well.

A run is specific if at least half of its tokens are outside of every template. A template is a run of five tokens that
occurs in more than `template` questions. (GPT-3 ignored 13-grams in more than ten training documents. Counting
questions instead makes the result independent of the order of the candidates.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LONG, SHORT = 13, 8
TEMPLATE = 5
"""Number of tokens in a template."""
CHARACTERS = 13
"""Minimum number of characters in a run."""

_FACTOR = 0x9E3779B97F4A7C15  # odd: the golden ratio's bits
_MASK = 0xFFFFFFFFFFFFFFFF
Array = npt.NDArray[Any]


class SharedRun(NamedTuple):
    """A hit: index of the text that shares the run, and the 8 to 13 shared tokens."""

    text: int
    tokens: tuple[str, ...]


class NgramIndex:
    """An index of the runs in distinct tokenized texts."""

    def __init__(self, texts: Sequence[Sequence[str]], template: int) -> None:
        """template: five tokens in a row that occur in more texts than this are a template."""
        self._texts = texts
        # Number the distinct tokens from 1, and concatenate all texts; `_begin` holds the start of each text.
        numbers: dict[str, int] = {}
        self._numbers = numbers
        flat = [numbers.setdefault(token, len(numbers) + 1) for tokens in texts for token in tokens]
        self._begin = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(tokens) for tokens in texts], out=self._begin[1:])
        tokens = np.array(flat, np.uint64)
        widths = np.array([len(token) for tokens in texts for token in tokens], np.int64)
        # Sort the hashes of the first 8 tokens of each run that counts, for binary search.
        least = _minimum_lengths(tokens, widths, self._begin, template)
        starts = np.flatnonzero(least)
        keys = _hashes(tokens, SHORT)[starts] if len(starts) else np.empty(0, np.uint64)
        order = np.argsort(keys, kind="stable")
        self._keys, self._starts = keys[order], starts[order]
        self._least = least

    def find(self, tokens: Sequence[str]) -> SharedRun | None:
        """Return the first shared run of 13 tokens, otherwise the first shorter one, otherwise None."""
        if len(tokens) < SHORT or not len(self._keys):
            return None
        # Look up every run of 8 tokens by its hash. Unknown tokens have number 0.
        known = self._numbers.get
        keys = _hashes(np.array([known(token, 0) for token in tokens], np.uint64), SHORT)
        places = np.searchsorted(self._keys, keys)
        places[places == len(self._keys)] = 0
        best: SharedRun | None = None
        for here in np.flatnonzero(self._keys[places] == keys).tolist():
            for place in range(int(places[here]), len(self._keys)):
                if self._keys[place] != keys[here]:
                    break
                run = self._compare(tokens, here, int(self._starts[place]))
                if run and len(run.tokens) == LONG:
                    return run
                best = best or run
        return best

    def _compare(self, tokens: Sequence[str], here: int, start: int) -> SharedRun | None:
        """Compare `tokens[here:]` with the concatenated texts from position `start`."""
        text = int(np.searchsorted(self._begin, start, side="right")) - 1
        question, first = self._texts[text], start - int(self._begin[text])
        # Two runs with the same hash may still differ.
        length, most = 0, min(LONG, len(tokens) - here, len(question) - first)
        while length < most and tokens[here + length] == question[first + length]:
            length += 1
        least = int(self._least[start])
        if length < least:
            return None
        return SharedRun(text, tuple(tokens[here : here + (LONG if length == LONG else least)]))


def _minimum_lengths(tokens: Array, widths: Array, begin: Array, template: int) -> Array:
    """Return, for each token, the minimum length of a run that starts there and counts; 0 if there is none.

    Args:
        tokens: Numbers of the tokens of all texts, concatenated; uint64, shape (n,).
        widths: Characters of each token; int64, shape (n,).
        begin: Start of each text, and n; int64, shape (texts + 1,).
        template: As in `NgramIndex`.

    Returns:
        uint8, shape (n,).
    """
    least = np.zeros(len(tokens), np.uint8)
    lengths = np.diff(begin)
    left = np.repeat(begin[1:], lengths) - np.arange(len(tokens))  # tokens from here to the end of the text
    common = _starts_template(tokens, left, np.repeat(np.arange(len(lengths)), lengths), template)
    total = np.concatenate(([0], np.cumsum(widths)))

    def runs(size: int) -> tuple[Array, Array, Array]:
        """Return all starts of runs of `size`, whether each has enough characters, and whether it is specific."""
        starts = np.flatnonzero(left >= size)
        wide = total[starts + size] - total[starts] >= CHARACTERS
        return starts, wide, 2 * _count_specific(common, starts, size) >= size

    # Set the longest minimum first, so that the shorter ones overwrite it.
    starts, wide, specific = runs(LONG)
    least[starts[wide & specific]] = LONG
    for size in range(SHORT, LONG):  # whole questions, regardless of their number of characters
        starts, _, specific = runs(size)
        starts = starts[specific]
        whole = starts[np.isin(starts, begin[:-1][lengths == size])]
        least[whole] = size
    starts, wide, specific = runs(SHORT)
    least[starts[wide & specific]] = SHORT
    return least


def _starts_template(tokens: Array, left: Array, owner: Array, template: int) -> Array:
    """Return, for each token, whether the five tokens from there occur in more than `template` texts; bool."""
    common = np.zeros(len(tokens), bool)
    starts = np.flatnonzero(left >= TEMPLATE)
    if len(starts):
        keys = _hashes(tokens, TEMPLATE)[starts]
        _, ranks = np.unique(keys, return_inverse=True)
        # Count each run once per text: one number encodes the pair of run and text.
        texts = np.unique(ranks * len(owner) + owner[starts]) // len(owner)
        common[starts] = np.bincount(texts)[ranks] > template
    return common


def _count_specific(common: Array, starts: Array, size: int) -> Array:
    """Return how many tokens of each run of `size` are outside of every template within the run; int64."""
    inside = [common[starts + step] for step in range(size - TEMPLATE + 1)]
    specific = np.zeros(len(starts), np.int64)
    for place in range(size):
        # A template covers this token if it starts at most four tokens earlier.
        around = inside[max(0, place - TEMPLATE + 1) : place + 1]
        specific += ~np.logical_or.reduce(around) if around else 1
    return specific


def _hashes(tokens: Array, size: int) -> Array:
    """Return a hash of each run of `size` tokens, by the position of its first token; empty for fewer tokens."""
    powers = np.array([pow(_FACTOR, step + 1, _MASK + 1) for step in range(size)], np.uint64)
    if len(tokens) < size:
        return np.empty(0, np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(tokens, size)
    mixed = windows * powers
    keys: Array = np.bitwise_xor.reduce(mixed ^ (mixed >> np.uint64(29)), axis=1)
    return keys
