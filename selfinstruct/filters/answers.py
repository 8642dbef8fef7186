"""Checks for non-answers: refusals, leaked prompt markup, echoes of the instruction, and truncated texts.

All but `Scaffolding` read only an instance's output. In doubt they pass it: rejecting an answer costs its whole task.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import regex
from pydantic import Field

from ..config.fields import Names, Section
from ..core.chat_markers import find_markers
from ..core.code_blocks import without_code
from ..core.prompts import Ask
from ..core.records import Example
from ..core.shipped import shipped_yaml
from ..core.tasks import PASS, Candidate, Verdict
from ..core.tokens import tokenize
from .instruction import any_of

# A line that opens or closes a code block: '```python', '~~~'.
_FENCE = regex.compile(r"^[ \t]*+(`{3,}+|~{3,}+)[^\n]*+$", regex.MULTILINE)
# Quotes and Markdown before the first word: '**As an AI**, ...'.
_LEADING = regex.compile(r"""^[\s"'“‘«「*_>#-]+""")
_SENTENCE_END = regex.compile(r"""[.!?…。！？][)"'”’»」』）]*""")
# Words that don't end a sentence: in English; in German, French, and Spanish those with no other use; in Japanese,
# whose tokens are characters, a particle.
_NEVER_LAST = frozenset(
    "the a an and or but because if my your our their its nor unless whereas although while than whose every"
    " und oder weil dass sondern obwohl sowie des les cette parce pero porque cuyo cuya を".split()
)
# Characters that don't end a text: opening brackets, commas, dashes.
_OPEN = tuple("([{（【《“「『、，,;；–—")
_LEAST_WORDS = 8


class AnswerOptions(Section):
    """Checks of outputs, each named after its reason."""

    answer_refusal: bool = Field(default=True, description="'answer_refusal': the output is 'As an AI language ...'.")
    scaffolding: bool = Field(
        default=True,
        description="'scaffolding': markers of chat templates such as '<|im_end|>'; those at an edge are removed.",
    )
    answer_keywords: Names = Field(
        default=(), description="'answer_keyword': the output has one of these words or phrases, in any case."
    )
    echo: bool = Field(default=True, description="'echo': the output repeats the instruction.")
    repetition: bool = Field(default=True, description="'repetition': the same words over and over.")
    cut_off: bool = Field(default=True, description="'cut_off': ends in the middle of a sentence or code block.")
    bad_code: bool = Field(default=True, description="'bad_code': a Python or JSON block that can't be parsed.")
    wrong_arithmetic: bool = Field(default=True, description="'wrong_arithmetic': an equation such as 2 + 2 = 5.")
    wrong_answer: bool | Literal["label"] = Field(
        default=True,
        description="'wrong_answer': not what a program knows to be right; for tasks with a ground truth. label: keep "
        "such an answer, with `verified: false` in its row.",
    )


class AnswerRefusal:
    """'answer_refusal': the output begins like a model's refusal, in one of nine languages."""

    def __init__(self) -> None:
        self._pattern = _compile("refusals")

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        start = _LEADING.sub("", example.output[:400]).replace("’", "'")
        match = self._pattern.match(start)
        return Verdict("answer_refusal", _shorten(match.group())) if match else PASS


class AnswerKeywords:
    """'answer_keyword': the output has one of the user's words or phrases, matched as `Keywords` matches."""

    def __init__(self, words: Sequence[str]) -> None:
        self._pattern = any_of(words)

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        found = self.find(example.output)
        return Verdict("answer_keyword", _shorten(found.lower())) if found else PASS

    def find(self, text: str) -> str | None:
        """Return the first word or phrase that the text has."""
        found = self._pattern.search(text) if self._pattern else None
        return found.group() if found else None


class Scaffolding:
    """'scaffolding': a text contains a marker of a chat template, or an output markup of a prompt, outside its code.

    Markers at the edges of a text are removed before, by `trim_markers`.
    """

    def __init__(self) -> None:
        self._pattern = _compile("marks")

    def check(self, candidate: Candidate) -> Verdict:
        return _first_marker(candidate.instruction, candidate.input or "", candidate.output or "")

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        match = self._pattern.search(without_code(example.output))
        if match:
            return Verdict("scaffolding", _shorten(match.group()))
        return _first_marker(example.given, example.output)


class Echo:
    """'echo': the output is the instruction, or begins with all of an instruction that is a complete sentence."""

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        asked, said = tokenize(candidate.instruction), tokenize(example.output[: 4 * len(candidate.instruction) + 400])
        if len(asked) < 4 or said[: len(asked)] != asked:
            return PASS
        if len(said) == len(asked):
            return Verdict("echo", "the instruction itself")
        # An answer may continue an instruction that is no sentence: 'The capital of France is'.
        whole = candidate.instruction.rstrip().endswith((".", "?", "!", "。", "？", "！"))
        return Verdict("echo", "begins with the instruction") if whole else PASS


class CutOff:
    """'cut_off': the output has an unclosed code block, or its last line, of eight words or more, stops too early."""

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        text = example.output.rstrip()
        if len(_FENCE.findall(text)) % 2:
            return Verdict("cut_off", "a code block isn't closed")
        # Skip a last line that ends in code or a full stop, or is too short to be prose.
        last = without_code(text).rsplit("\n", 1)[-1].strip()
        if not last.endswith(_OPEN) and not last[-1:].isalpha():
            return PASS
        words = tokenize(last)
        if len(words) < _LEAST_WORDS or text.endswith(("`", "~")):
            return PASS
        # The line ends in an opening bracket, a comma, a dash, or a word such as 'the' or 'because'.
        if last.endswith(_OPEN):
            return Verdict("cut_off", f"ends in {last[-1]!r}")
        if words[-1] in _NEVER_LAST and last.split()[-1] == last.split()[-1].lower():
            return Verdict("cut_off", f"ends in {words[-1]!r}")
        # Two sentences of the line end in punctuation, and the third doesn't. A signature or a tag may follow them.
        *sentences, rest = _SENTENCE_END.split(last)
        fragment = rest.strip()
        plain = fragment and not regex.search(r"[#@:/\\|=—–-]|\b\p{Lu}\w*$", fragment)
        if plain and len(tokenize(fragment)) >= 3 and len([s for s in sentences if len(tokenize(s)) >= 3]) >= 2:
            return Verdict("cut_off", f"ends in {_shorten(fragment)!r}")
        return PASS


def _first_marker(*texts: str) -> Verdict:
    for text in texts:
        for marker in find_markers(without_code(text)):
            return Verdict("scaffolding", marker[0])
    return PASS


def _shorten(text: str) -> str:
    return " ".join(text.split())[:80]


@lru_cache
def _compile(kind: str) -> regex.Pattern[str]:
    """Compile the patterns of one kind in `answers.yaml` into one alternation."""
    blocks = shipped_yaml(__package__, "answers.yaml")[kind]
    patterns = ["".join(map(str.lstrip, block.split("\n"))) for block in blocks]
    return regex.compile("|".join(f"(?:{pattern})" for pattern in patterns), regex.IGNORECASE | regex.MULTILINE)
