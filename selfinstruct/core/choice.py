"""Order the sampled responses of an example, best first; used for the answer of a record and for preference pairs."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from .records import Response

Reason = Literal["checks", "comparisons", "marks"]

# Soft hyphen, zero-width space, word joiner, and byte order mark: nobody sees a difference.
_INVISIBLE = dict.fromkeys((0xAD, 0x200B, 0x2060, 0xFEFF))
# Not brackets or signs: '-5' and '5' are different answers.
_EDGES = " .,:;!?\"'`*_“”„‘’‚«»‹›。、「」『』"


@dataclass(frozen=True, slots=True)
class Choice:
    """An order of responses, and how clear it is.

    Attributes:
        order: The responses, best first.
        by: What puts the first before the second; None for a tie, or if there is no second.
        margin: By how much: 1 for checks, the difference of net wins or of mean marks for the others, 0 for a tie.
    """

    order: tuple[Response, ...]
    by: Reason | None = None
    margin: float = 0.0


def choose(responses: Collection[Response]) -> Choice:
    """Order responses. The result doesn't depend on the order in which they are given.

    1. A response that passed every check comes before one that failed any.
    2. Then the one with more net wins comes first: the responses that it beats, minus those that beat it.
    3. Then the one with the higher mean mark comes first. A response without marks comes last, but that is a tie.
    4. Anything else is a tie: the lower sample number comes first.
    """
    wins = net_wins(responses)
    order = tuple(sorted(responses, key=lambda each: _key(each, wins)))
    if len(order) < 2:
        return Choice(order)
    best, second = order[:2]
    if best.passed != second.passed:
        return Choice(order, "checks", 1.0)
    if wins[best.sample] != wins[second.sample]:
        return Choice(order, "comparisons", float(wins[best.sample] - wins[second.sample]))
    margin = difference(best.mark, second.mark)
    return Choice(order, "marks", margin) if margin else Choice(order)


def net_wins(responses: Collection[Response]) -> dict[int, int]:
    """Return the responses that each response beats, minus those that beat it, by sample number."""
    wins = {each.sample: 0 for each in responses}
    for winner in responses:
        # Some of the samples that it beat may not have been kept.
        for loser in set(winner.beats) & wins.keys() - {winner.sample}:
            wins[winner.sample] += 1
            wins[loser] -= 1
    return wins


def difference(mark: float | None, other: float | None) -> float:
    """Return the difference of two mean marks, 0 if one is None. Rounded, so that 4.2 - 3.7 is 0.5."""
    return 0.0 if mark is None or other is None else round(round(mark, 6) - round(other, 6), 6)


def normalized(text: str) -> str:
    """Return a text without what makes no difference between two answers.

    Ignores case, Unicode compatibility forms, white space, invisible characters, and punctuation at the edges.

    >>> normalized('“ＰＡＲＩＳ.” ') == normalized("Paris")
    True
    """
    folded = unicodedata.normalize("NFKC", text).translate(_INVISIBLE).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split()).strip(_EDGES)


def _key(response: Response, wins: dict[int, int]) -> tuple[bool, int, float, int, str, str]:
    mark = -math.inf if response.mark is None else round(response.mark, 6)
    # The last two only matter if a strategy gave two responses the same number.
    return not response.passed, -wins[response.sample], -mark, response.sample, response.text, response.key or ""
