"""The pool's rule over the pairs of all shards: who is admitted, in order, and what refused the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..novelty import Joined, Work
from .kernel import decide
from .pairs import Pairs, once, order_of


def settle(texts: int, found: Sequence[Pairs], *, references: int = 0, explain: bool = True) -> Joined:
    """What `novelty.Join` says of so many texts, from all their pairs. Pairs may come in any order, and repeatedly."""
    earlier, later, score = once([(pairs.earlier, pairs.later, pairs.score) for pairs in found])
    original = np.full(texts, -1, np.int64)
    for pairs in found:
        original[pairs.twin] = pairs.original
    asked = np.zeros(texts, np.bool_)  # rows whose pairs with later rows a twin may need
    asked[original[original >= 0]] = True
    ahead = asked[earlier]
    owner = np.concatenate((later, earlier[ahead]))
    other = np.concatenate((earlier, later[ahead]))
    both = np.concatenate((score, score[ahead]))
    order = order_of(owner, other)
    begin = np.searchsorted(owner[order], np.arange(texts + 1)).astype(np.int64)
    admitted = np.zeros(texts, np.bool_)
    nearest, best = np.full(texts, -1, np.int64), np.zeros(texts)
    decide(begin, other[order], both[order], original, references, admitted, nearest, best)
    if not explain:
        nearest[:], best[:] = -1, 0.0
    work = sum((pairs.work for pairs in found), np.zeros(2, np.int64))
    return Joined(admitted, nearest, best, Work(texts - references, int(work[0]), int(work[1])))
