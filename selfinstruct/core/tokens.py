"""Tokenize text in any script; used by novelty, filters, and the report.

One of two rules applies to the whole text:

* If every letter is ASCII and has no combining mark, the tokens are those of `rouge_score` without its
  stemmer: runs of a-z and 0-9 after lower-casing. Scores then equal those of the published code.
* Otherwise, after NFKC and case folding, tokens are Unicode words (letters, digits, and their marks).
  In scripts written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar), each character with its
  marks is a token: 'Python编程' becomes 'python', '编', '程'. A text whose letters are all ASCII after
  folding ('ＡＢＣ', 'Maß') follows the first rule.

A text and its NFKC form have the same tokens, and tokens joined by spaces tokenize to themselves.
`rouge_score` itself drops all characters outside ASCII: two equal Chinese sentences score 0.
"""

from __future__ import annotations

import re
import unicodedata

import regex

TOKENIZER_VERSION = "1"
"""Must change whenever the tokens of any text change; part of the config digest."""

_SPACELESS = (
    r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u30fc"
    r"\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}"
)
_JOINERS = r"\u200c\u200d"  # zero-width joiners occur inside Persian and Indic words
_ASCII_TOKEN = re.compile(r"[a-z0-9]+")
CHARACTERS = {
    "word": rf"[[\p{{L}}\p{{N}}]--[{_SPACELESS}]]",
    "spaceless": rf"[[\p{{L}}\p{{N}}]&&[{_SPACELESS}]]",
    "mark": r"\p{M}",
    "joiner": rf"[{_JOINERS}]",
}
"""Disjoint character classes that make up tokens, in the syntax of `regex` V1."""

# 'ก' and its marks, or a word such as 'naïve' or 'می‌خواهم', with a joiner inside.
_UNICODE_TOKEN = regex.compile(
    rf"{CHARACTERS['spaceless']}\p{{M}}*|(?:{CHARACTERS['word']}[\p{{M}}{_JOINERS}]*)+", regex.V1
)
# A letter outside ASCII, or an ASCII letter with a mark.
_BEYOND_ASCII = regex.compile(
    r"[\p{L}--[A-Za-z]]|[A-Za-z]\p{M}|\u0345",  # the mark U+0345 folds to a letter, iota
    regex.V1,
)
# Common letters outside ASCII. Trying this class first takes a third of the time of `_BEYOND_ASCII`.
_COMMON_LETTERS = re.compile("[à-öø-ÿа-яא-תء-غف-يअ-हก-ะぁ-ゖァ-ヺ一-龥가-힣]")
# NFKC takes time quadratic in the number of marks on a letter, so marks beyond this number are dropped.
_MAX_MARKS = 32
_EXCESS_MARKS = regex.compile(rf"(\p{{M}}{{{_MAX_MARKS}}})\p{{M}}+")


def tokenize(text: str) -> list[str]:
    """Return the tokens of `text`, in order; none if `text` has neither letters nor digits.

    >>> tokenize("Don't panic: 3 steps!")
    ['don', 't', 'panic', '3', 'steps']
    >>> tokenize("用Python写一首诗。")
    ['用', 'python', '写', '一', '首', '诗']
    """
    folded, ascii_lettered = fold(text)
    return (_ASCII_TOKEN if ascii_lettered else _UNICODE_TOKEN).findall(folded)


def fold(text: str) -> tuple[str, bool]:
    """Return the text that tokens are cut from, and whether the first rule applies."""
    if is_ascii_lettered(text):
        return text.lower(), True
    # 'ＡＢＣ' -> 'ABC' -> 'abc'; 'Maß' -> 'mass'.
    folded = unicodedata.normalize("NFKC", _limit_marks(text))
    cased = folded.casefold()
    if cased != folded:  # case folding can produce characters that are not normalized
        folded = unicodedata.normalize("NFKC", cased)
    folded = _limit_marks(folded)
    return folded, folded != text and is_ascii_lettered(folded)


def _limit_marks(text: str) -> str:
    return text if len(text) <= _MAX_MARKS else _EXCESS_MARKS.sub(r"\1", text)


def is_ascii_lettered(text: str) -> bool:
    """Return whether every letter of `text` is ASCII and has no combining mark, so that the first rule applies."""
    return text.isascii() or (_COMMON_LETTERS.search(text) is None and _BEYOND_ASCII.search(text) is None)
