"""Which runs of tokens a text shares with a question, where a run is long and of the question's own.

Two lengths count. Thirteen tokens in a row, as GPT-3's training data was cleaned (Brown et al. 2020, appendix C), and
eight, which that paper goes down to for short test items, and which later cleaning of instruction data uses throughout
(Lambert et al. 2024, 'Tülu 3'; Muennighoff et al. 2025, 's1'). A run must have 13 characters, so eight characters of
Chinese, some four words, are no hit; thirteen are, and so is a whole question of eight to twelve.

A run counts by its own tokens. Wording that stands in more than `template` questions is nobody's: a token of the run is
its own when no five tokens around it, within the run, do. At least half of them must be. (GPT-3 passed over 13-grams
that more than ten training documents had; here the questions are counted, which no order of candidates changes.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LONG, SHORT = 13, 8
TEMPLATE = 5
"""Tokens in a row that make a template, where many questions have them."""
CHARACTERS = 13
"""Fewer characters in a run are too few to tell whose it is."""

_FACTOR = 0x9E3779B97F4A7C15  # odd: the golden ratio's bits
_MASK = 0xFFFFFFFFFFFFFFFF
Array = npt.NDArray[Any]


class Run(NamedTuple):
    """A hit: the place of the question's text among those given, and the tokens shared, 8 to 13 of them."""

    text: int
    tokens: tuple[str, ...]


class NgramIndex:
    """Texts of questions, as tokens. Every text must differ from the others."""

    def __init__(self, texts: Sequence[Sequence[str]], template: int) -> None:
        """template: a run of five that more texts have is wording of theirs all."""
        self._texts = texts
        numbers: dict[str, int] = {}
        self._numbers = numbers
        flat = [numbers.setdefault(token, len(numbers) + 1) for tokens in texts for token in tokens]
        self._begin = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(tokens) for tokens in texts], out=self._begin[1:])
        tokens = np.array(flat, np.uint64)
        widths = np.array([len(token) for tokens in texts for token in tokens], np.int64)
        least = _least(tokens, widths, self._begin, template)
        starts = np.flatnonzero(least)
        keys = _hashes(tokens, SHORT)[starts] if len(starts) else np.empty(0, np.uint64)
        order = np.argsort(keys, kind="stable")
        self._keys, self._starts = keys[order], starts[order]
        self._least = least

    def find(self, tokens: Sequence[str]) -> Run | None:
        """The first run of thirteen that a question shares, or else the first shorter one; None without any."""
        if len(tokens) < SHORT or not len(self._keys):
            return None
        known = self._numbers.get
        keys = _hashes(np.array([known(token, 0) for token in tokens], np.uint64), SHORT)
        places = np.searchsorted(self._keys, keys)
        places[places == len(self._keys)] = 0
        best: Run | None = None
        for here in np.flatnonzero(self._keys[places] == keys).tolist():
            for place in range(int(places[here]), len(self._keys)):
                if self._keys[place] != keys[here]:
                    break
                run = self._run(tokens, here, int(self._starts[place]))
                if run and len(run.tokens) == LONG:
                    return run
                best = best or run
        return best

    def _run(self, tokens: Sequence[str], here: int, start: int) -> Run | None:
        """What the text from `here` on shares with the question's token `start` and those after it."""
        text = int(np.searchsorted(self._begin, start, side="right")) - 1
        question, first = self._texts[text], start - int(self._begin[text])
        length, room = 0, min(LONG, len(tokens) - here, len(question) - first)
        while length < room and tokens[here + length] == question[first + length]:
            length += 1
        least = int(self._least[start])
        return Run(text, tuple(tokens[here : here + (LONG if length == LONG else least)])) if length >= least else None


def _least(tokens: Array, widths: Array, begin: Array, template: int) -> Array:
    """For every token how long a run that begins with it must be to count; 0 where none does. uint8."""
    least = np.zeros(len(tokens), np.uint8)
    lengths = np.diff(begin)
    left = np.repeat(begin[1:], lengths) - np.arange(len(tokens))  # tokens of the text from here on
    common = _common(tokens, left, np.repeat(np.arange(len(lengths)), lengths), template)
    total = np.concatenate(([0], np.cumsum(widths)))

    def counting(size: int) -> tuple[Array, Array, Array]:
        starts = np.flatnonzero(left >= size)
        wide = total[starts + size] - total[starts] >= CHARACTERS
        return starts, wide, 2 * _own(common, starts, size) >= size

    starts, wide, own = counting(LONG)
    least[starts[wide & own]] = LONG
    for size in range(SHORT, LONG):  # whole questions, however narrow their characters
        starts, _, own = counting(size)
        starts = starts[own]
        whole = starts[np.isin(starts, begin[:-1][lengths == size])]
        least[whole] = size
    starts, wide, own = counting(SHORT)
    least[starts[wide & own]] = SHORT
    return least


def _common(tokens: Array, left: Array, owner: Array, template: int) -> Array:
    """Whether the five tokens from each one on stand in more than `template` texts."""
    common = np.zeros(len(tokens), bool)
    starts = np.flatnonzero(left >= TEMPLATE)
    if len(starts):
        keys = _hashes(tokens, TEMPLATE)[starts]
        _, ranks = np.unique(keys, return_inverse=True)
        texts = np.unique(ranks * len(owner) + owner[starts]) // len(owner)  # each rank once a text
        common[starts] = np.bincount(texts)[ranks] > template
    return common


def _own(common: Array, starts: Array, size: int) -> Array:
    """How many tokens of the runs of `size` from `starts` on lie in no template inside the run."""
    inside = [common[starts + step] for step in range(size - TEMPLATE + 1)]
    own = np.zeros(len(starts), np.int64)
    for place in range(size):
        around = inside[max(0, place - TEMPLATE + 1) : place + 1]
        own += ~np.logical_or.reduce(around) if around else 1
    return own


def _hashes(tokens: Array, size: int) -> Array:
    """A number for every run of `size` tokens, by its first one; equal runs have equal ones. Empty for fewer tokens."""
    powers = np.array([pow(_FACTOR, step + 1, _MASK + 1) for step in range(size)], np.uint64)
    if len(tokens) < size:
        return np.empty(0, np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(tokens, size)
    mixed = windows * powers
    keys: Array = np.bitwise_xor.reduce(mixed ^ (mixed >> np.uint64(29)), axis=1)
    return keys
