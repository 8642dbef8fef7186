"""What a token is, in any script. Used by novelty, filters and the report; imports nothing of ours.

Two rules, chosen per text:

* Every letter of the text is ASCII: the tokens of `rouge_score` without its stemmer, that is, runs
  of a-z and 0-9 after lower-casing. Scores then equal the published code's.
* Otherwise: NFKC, case folding, and Unicode words (letters, digits and the marks on them), but one
  token per character, with its marks, for scripts that are written without spaces: Han, kana,
  Thai, Lao, Khmer, Myanmar. Mixed text mixes them: 'Python编程' is 'python', '编', '程'.

`rouge_score` itself drops every character outside ASCII: two equal Chinese sentences score 0 there.
"""

from __future__ import annotations

import re
import unicodedata

import regex

TOKENIZER_VERSION = "1"
"""Changes whenever any text's tokens change; part of the config digest."""

_ASCII_TOKEN = re.compile(r"[a-z0-9]+")
_SPACELESS = (
    r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u30fc"
    r"\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}"
)
_JOINERS = r"\u200c\u200d"  # they stand inside Persian and Indic words
_UNICODE_TOKEN = regex.compile(
    rf"[[\p{{L}}\p{{N}}]&&[{_SPACELESS}]]\p{{M}}*"
    rf"|(?:[[\p{{L}}\p{{N}}]--[{_SPACELESS}]][\p{{M}}{_JOINERS}]*)+",
    regex.V1,
)


def tokenize(text: str) -> list[str]:
    """The tokens of `text`, in order; empty when it has neither letter nor digit.

    >>> tokenize("Don't panic: 3 steps!")
    ['don', 't', 'panic', '3', 'steps']
    >>> tokenize("用Python写一首诗。")
    ['用', 'python', '写', '一', '首', '诗']
    """
    if text.isascii() or not _has_foreign_letter(text):
        return _ASCII_TOKEN.findall(text.lower())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _UNICODE_TOKEN.findall(folded)


def _has_foreign_letter(text: str) -> bool:
    """Whether a letter outside ASCII stands in `text`, a letter with its combining marks counting as one."""
    return any(char > "\x7f" and char.isalpha() for char in unicodedata.normalize("NFC", text))
