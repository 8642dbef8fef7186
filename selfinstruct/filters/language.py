"""The check 'language': rejects an instruction or output in an unwanted language. Needs the extra `language` (lingua).

Lingua is accurate on a few words, where smaller detectors guess. It compares the wanted languages with the twenty that
models write most often, because all of its 75 would take too much memory. In doubt, a text passes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import regex
from pydantic import Field

from ..config.fields import Names, Section
from ..core.code_blocks import without_code
from ..core.errors import ConfigError
from ..core.prompts import Ask
from ..core.records import Example
from ..core.tasks import PASS, Candidate, Verdict
from ..core.tokens import tokenize

if TYPE_CHECKING:
    from lingua import LanguageDetector

COMPARED = "en zh ja ko es fr de pt it nl ru ar hi tr vi id th pl uk fa sv".split()
"""ISO 639-1 codes of the languages that are always compared."""
SURE, UNLIKELY = 0.5, 0.2
"""A text is rejected if another language has at least the first confidence, and the wanted ones at most the second. A
text without any letter of a wanted language needs no such confidence."""
LEAST_TOKENS, LEAST_ANSWER_TOKENS = 3, 8
_MOST_CHARACTERS = 2000

_QUOTED = regex.compile(
    r"""“[^”]*”|‘[^’]*’|«[^»]*»|「[^」]*」|『[^』]*』|《[^》]*》|"[^"\n]*"|(?<!\w)'[^'\n]*'(?!\w)|https?://\S+"""
)
_LEAD = regex.compile(r"[:：\n]")
_HAN, _KANA = regex.compile(r"\p{Script=Han}"), regex.compile(r"[\p{Script=Hiragana}\p{Script=Katakana}]")


class LanguageOptions(Section):
    """Languages to keep; both need the extra `language`."""

    languages: Names = Field(
        default=(), description="'language': keep instructions in these languages only, such as [zh] (ISO 639-1)."
    )
    answer_languages: Names = Field(
        default=(),
        description="'language': keep outputs in these languages only; name all that translations may have.",
    )


class Language:
    """Checks the instruction up to the first colon or line end, without quotations and code.

    A task may therefore contain a text in any language.
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        """wanted: ISO 639-1 codes. Raises ConfigError for one that is none, and without the extra."""
        self._wanted = _checked("languages", wanted)

    def check(self, candidate: Candidate) -> Verdict:
        text = _QUOTED.sub(" ", without_code(candidate.instruction[:_MOST_CHARACTERS])).strip()
        lead = _LEAD.split(text, maxsplit=1)[0]
        return _judge("instruction", lead if len(tokenize(lead)) > LEAST_TOKENS else text, self._wanted, LEAST_TOKENS)


class AnswerLanguage:
    """Checks an output of at least eight words, without its code."""

    def __init__(self, wanted: Sequence[str]) -> None:
        """As `Language`."""
        self._wanted = _checked("answer_languages", wanted)

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        return _judge("output", without_code(example.output), self._wanted, LEAST_ANSWER_TOKENS)


def _judge(part: str, text: str, wanted: tuple[str, ...], least: int) -> Verdict:
    text = text[:_MOST_CHARACTERS]
    words = [token for token in tokenize(text) if token.isalpha()]
    if len(words) < least:
        return PASS
    code, confidence, hope = _most_likely(text, words, wanted)
    if code in wanted or hope > UNLIKELY or confidence < (SURE if hope else 0.01):
        return PASS
    return Verdict("language", f"{part}: {code}, not {' or '.join(wanted)}", confidence)


def _most_likely(text: str, words: Sequence[str], wanted: tuple[str, ...]) -> tuple[str, float, float]:
    """Return the likeliest language, its confidence, and the sum of the wanted languages' confidences."""
    # A text that is half Han characters, without kana, is Chinese, regardless of Latin terms in it.
    if 2 * sum(_HAN.match(word) is not None for word in words) >= len(words) and not _KANA.search(text):
        return "zh", 1.0, float("zh" in wanted)
    values = _detector(wanted).compute_language_confidence_values(text)
    # Round, so that differences between machines in the last bit decide nothing.
    found = {value.language.iso_code_639_1.name.lower(): round(value.value, 4) for value in values}
    code = next(iter(found))
    return code, found[code], sum(found.get(one, 0.0) for one in wanted)


def _checked(key: str, codes: Sequence[str]) -> tuple[str, ...]:
    if importlib.util.find_spec("lingua") is None:
        raise ConfigError(f"filters.{key}: needs lingua; pip install 'selfinstruct[language]'")
    known = _known()
    for code in codes:
        if code.lower() not in known:
            raise ConfigError(f"filters.{key}: {code!r} is no language that can be told; one of {', '.join(known)}")
    return tuple(code.lower() for code in codes)


@lru_cache
def _known() -> tuple[str, ...]:
    from lingua import Language as Known

    return tuple(sorted(language.iso_code_639_1.name.lower() for language in Known.all()))


@lru_cache
def _detector(wanted: tuple[str, ...]) -> LanguageDetector:
    """Build a detector; lingua loads the model of each language at its first comparison."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = dict.fromkeys([*wanted, *COMPARED])
    return LanguageDetectorBuilder.from_iso_codes_639_1(
        *(getattr(IsoCode639_1, code.upper()) for code in codes)
    ).build()
