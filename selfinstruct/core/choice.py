"""Order the sampled responses of an example, best first; used for the answer of a record and for preference pairs."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from .records import Response

Reason = Literal["checks", "comparisons", "marks"]

# Invisible characters: soft hyphen, joiners, marks of direction, variation selectors, byte order mark ...
_INVISIBLE = re.compile(r"[\xad\u034f\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
# Besides most punctuation: quotes that Unicode counts as brackets, bullets, and dashes that are no signs.
_EDGES = frozenset(" `“”„‚«»‹›《》〈〉「」『』•▪●—―")
_NOT_EDGES = frozenset("#%&@/\\٪§†‡‰‱")  # '#5' or '5%' is another answer than '5'
# '- Paris' or '# Paris', but neither '- 5' nor '- x'.
_LIST_MARK = re.compile(r"\A(?:[-–+]\s(?=[^\W\d_]{2})|#+\s)")
_WORDS = re.compile(r"\(([^\W\d_]{2}(?:[^\W\d_]|[ '’.-])*)\)")


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

    1. A response that passed every check comes before one that failed any, or that a program found wrong.
    2. Then the one with more net wins comes first: the responses that it beats, minus those that beat it.
    3. Then the one with the higher mean mark comes first. A response without marks comes last, but that is a tie.
    4. Anything else is a tie: the lower sample number comes first.
    """
    wins = net_wins(responses)
    order = tuple(sorted(responses, key=lambda each: _key(each, wins)))
    if len(order) < 2:
        return Choice(order)
    best, second = order[:2]
    if failed(best) != failed(second):
        return Choice(order, "checks", 1.0)
    if wins[best.sample] != wins[second.sample]:
        return Choice(order, "comparisons", float(wins[best.sample] - wins[second.sample]))
    margin = difference(best.mark, second.mark)
    return Choice(order, "marks", margin) if margin else Choice(order)


def failed(response: Response) -> bool:
    """Return whether a check objected to a response, or a program found it wrong."""
    return not response.passed or response.verified is False


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

    Ignores case, Unicode compatibility forms, white space, invisible characters, and at the edges punctuation, the mark
    of a list or heading, and parentheses around nothing but words. Signs and formulas stay: '-5', '(a, b)', '.5'.

    >>> normalized('“ＰＡＲＩＳ.” ') == normalized("Paris")
    True
    """
    folded = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()
    rest, text = " ".join(unicodedata.normalize("NFKC", folded).split()), ""
    while text != rest:
        text = rest
        start = next((n for n in range(len(text)) if not _is_edge(text, n)), len(text))
        end = next((n for n in range(len(text), start, -1) if not _is_edge(text, n - 1) and text[n - 1] != "~"), start)
        rest = _LIST_MARK.sub("", text[start:end])
        if words := _WORDS.fullmatch(rest):
            rest = words[1]
    return text


def _is_edge(text: str, place: int) -> bool:
    char = text[place]
    if char == "." and text[place + 1 : place + 2].isdigit():
        return False
    return char in _EDGES or (char not in _NOT_EDGES and unicodedata.category(char) in ("Po", "Pi", "Pf", "Pc"))


def _key(response: Response, wins: dict[int, int]) -> tuple[bool, int, float, int, str, str]:
    mark = -math.inf if response.mark is None else round(response.mark, 6)
    # The last two only matter if a strategy gave two responses the same number.
    return failed(response), -wins[response.sample], -mark, response.sample, response.text, response.key or ""
