"""Answers that are none: a refusal, marks of the prompt, the instruction once more, or a text that stops in the middle.

All of them look at an instance's output only, and are made to be silent in doubt: a refused answer costs its task.
"""

from __future__ import annotations

from functools import lru_cache

import regex

from ..core.shipped import shipped_yaml
from ..core.tasks import PASS, Instance, Verdict
from ..core.tokens import tokenize

_FENCE = regex.compile(r"^[ \t]*+(`{3,}+|~{3,}+)[^\n]*+$", regex.MULTILINE)
_FENCED = regex.compile(
    r"^[ \t]*+(`{3,}+|~{3,}+)[^\n]*+\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)|`[^`\n]+`", regex.MULTILINE | regex.DOTALL
)
_LEADING = regex.compile(r"""^[\s"'“‘«「*_>#-]+""")
_ENDS = regex.compile(r"""[.!?…。！？][)"'”’»」』）]*""")
_NOT_AT_AN_END = frozenset(
    "the a an and or but because if my your our their its nor unless whereas although while than whose every".split()
)
"""Words after which no English sentence ends."""
_OPEN = tuple("([{（【《“「『、，,;；–—")
_LEAST_WORDS = 8


def without_code(text: str) -> str:
    """The text with a blank for each code block and each piece of code in a line."""
    return _FENCED.sub(" ", text) if "`" in text or "~~~" in text else text


class AnswerRefusal:
    """'answer_refusal': the output begins as a model's refusal does, in English or Chinese."""

    def __init__(self) -> None:
        self._pattern = _any_of("refusals")

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        start = _LEADING.sub("", instance.output[:400]).replace("’", "'")
        found = self._pattern.match(start)
        return Verdict("answer_refusal", _told(found.group())) if found else PASS


class Scaffolding:
    """'scaffolding': marks of a prompt or a chat template stand in the output, outside its code."""

    def __init__(self) -> None:
        self._pattern = _any_of("marks")

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        found = self._pattern.search(without_code(instance.output))
        return Verdict("scaffolding", _told(found.group())) if found else PASS


class Echo:
    """'echo': the output has the instruction's tokens, or begins with all of an instruction that is a whole sentence.

    One that is no sentence, 'The capital of France is', may be gone on with.
    """

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        asked, said = tokenize(instruction), tokenize(instance.output[: 4 * len(instruction) + 400])
        if len(asked) < 4 or said[: len(asked)] != asked:
            return PASS
        if len(said) == len(asked):
            return Verdict("echo", "the instruction itself")
        whole = instruction.rstrip().endswith((".", "?", "!", "。", "？", "！"))
        return Verdict("echo", "begins with the instruction") if whole else PASS


class CutOff:
    """'cut_off': a code block that isn't closed, or prose that stops before its sentence ends.

    Prose stops where its last line, of eight words or more, ends in an opening bracket, a comma or a dash, in a word
    after which no sentence ends ('the', 'because'), or in a word without a stop though two sentences before
    it in that line have theirs.
    """

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        text = instance.output.rstrip()
        if len(_FENCE.findall(text)) % 2:
            return Verdict("cut_off", "a code block isn't closed")
        last = without_code(text).rsplit("\n", 1)[-1].strip()
        if not last.endswith(_OPEN) and not last[-1:].isalpha():
            return PASS
        words = tokenize(last)
        if len(words) < _LEAST_WORDS or text.endswith(("`", "~")):
            return PASS
        if last.endswith(_OPEN):
            return Verdict("cut_off", f"ends in {last[-1]!r}")
        if words[-1] in _NOT_AT_AN_END and last.split()[-1].islower():
            return Verdict("cut_off", f"ends in {words[-1]!r}")
        *sentences, rest = _ENDS.split(last)
        fragment = rest.strip()
        plain = fragment and not regex.search(r"[#@:/\\|=—–-]|\b\p{Lu}\w*$", fragment)  # no name, no tag
        if plain and len(tokenize(fragment)) >= 3 and len([s for s in sentences if len(tokenize(s)) >= 3]) >= 2:
            return Verdict("cut_off", f"ends in {_told(fragment)!r}")
        return PASS


def _told(text: str) -> str:
    return " ".join(text.split())[:80]


@lru_cache
def _any_of(kind: str) -> regex.Pattern[str]:
    given = shipped_yaml(__package__, "answers.yaml")[kind]
    patterns = ["".join(map(str.lstrip, pattern.split("\n"))) for pattern in given]
    return regex.compile("|".join(f"(?:{pattern})" for pattern in patterns), regex.IGNORECASE | regex.MULTILINE)
