"""What the fake teacher answers about documents: a question about a fact, and the answer to a question from a text."""

from __future__ import annotations

import re
from itertools import groupby

_LABEL = r"[^\W\d][\w ]{0,20}[:：]"
# 'Subject: tar\nFact: ...\nAnswer: ...\nQuestion: Which option', and by chat a line that ends in the opening
_FACT = re.compile(
    rf"^{_LABEL}[^\n]*\n{_LABEL} ?(?P<fact>[^\n]+)\n{_LABEL} ?(?P<answer>[^\n]+)\n{_LABEL}(?P<cue>[^\n]*)"
    rf"(?:\n[^\n:：]*(?:[:：] ?(?P<opening>[^\n]+))?)?\Z",
    re.MULTILINE,
)
# 'Text: ...\nQuestion: ...?\nAnswer:'
_TEXT = re.compile(
    rf"^{_LABEL} ?(?P<text>[^\n]+)\n{_LABEL} ?(?P<question>[^\n]+[?？])\n{_LABEL}[ ]*(?:\n[^\n]+)?\Z", re.MULTILINE
)


def answer_about_text(prompt: str) -> str | None:
    """Return the answer to a prompt about a fact or a text; None for any other prompt."""
    prompt = prompt.rstrip()
    if found := _TEXT.search(prompt):
        return _read(found["text"], found["question"])
    if found := _FACT.search(prompt):
        opening = (found["opening"] or found["cue"]).strip()
        shown = "" if found["cue"].strip() else opening
        rest = found["fact"].replace(found["answer"], " ").rstrip(" .。")
        asked = [shown] if len(opening.split()) > 2 else [shown, *rest.split()]
        return " ".join(filter(None, asked)).rstrip(",") + "?"
    return None


def _read(text: str, question: str) -> str:
    """Return what the sentence that is most like the question says besides it."""
    asked = set(_words(question))
    sentences = re.split(r"(?<=[.!?。])\s+", text)
    best = max(sentences, key=lambda sentence: len(asked & set(_words(sentence))))
    runs = groupby(best.split(), key=lambda word: not set(_words(word)) - asked)
    found = [" ".join(run) for known, run in runs if not known]
    return max(found, key=len, default=best)


def _words(text: str) -> list[str]:
    return re.findall(r"[\w./-]+", text.casefold().rstrip("."))
