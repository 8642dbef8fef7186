"""Read whether a teacher said yes or no: 'is the task a classification?', 'can it be answered?'."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

from ...core.prompts import Completion


def answers_yes(completion: Completion, yes: str, no: str) -> bool:
    """Decide by the probabilities of two words if the response has them and they differ, otherwise by its words."""
    likely = _more_likely_yes(completion.logprobs, yes, no) if completion.logprobs else None
    return _says_yes(completion.text, yes, no) if likely is None else likely


def _more_likely_yes(logprobs: Mapping[str, float], yes: str, no: str) -> bool | None:
    """Compare the probabilities of two words, or return None if they are equal.

    logprobs: natural-log probabilities of the likeliest first tokens: {' Yes': -0.1, ' yes': -3.2, ' N': -2.5}.
    """
    # Add up the probabilities of all spellings and prefixes of each word.
    share = [0.0, 0.0]
    for token, value in logprobs.items():
        word = _plain(token)
        for side, name in enumerate((_plain(yes), _plain(no))):
            if word and name.startswith(word):
                share[side] += math.exp(min(value, 0.0))
    return None if share[0] == share[1] else share[0] > share[1]


def _says_yes(text: str, yes: str, no: str) -> bool:
    """Return whether the first part of a response that starts with either word says yes.

    text: such as 'Yes, it is.', 'Classification: **Yes**', or '是'.
    """
    yes, no = _plain(yes), _plain(no)
    for part in re.split(r"[:：\n]", text):
        word = _plain(part.strip(" \t\r*_\"'“”„«»「」`（(¡\u00a0\u202f"))
        if word.startswith(yes) and not word.startswith(yes + no):  # '是否' ('whether') is neither
            return True
        if word.startswith(no):
            return False
    return False


def _plain(text: str) -> str:
    """Return a text in lower case and without accents: 'Sí' -> 'si'."""
    split = unicodedata.normalize("NFD", text.strip().lower())
    return "".join(char for char in split if not unicodedata.combining(char))
