"""What a token is, in any script. Used by novelty, filters and the report; imports nothing of ours.

Two rules, chosen per text:

* Every letter of the text is ASCII and bears no combining mark: the tokens of `rouge_score` without its
  stemmer, that is, runs of a-z and 0-9 after lower-casing. Scores then equal the published code's.
* Otherwise: NFKC and case folding, and then Unicode words (letters, digits and the marks on them), but
  one token per character, with its marks, for scripts that are written without spaces: Han, kana,
  Thai, Lao, Khmer, Myanmar. Mixed text mixes them: 'Python编程' is 'python', '编', '程'. A text whose
  letters are all ASCII once they are folded ('ＡＢＣ', 'Maß') is then read by the first rule. At most 32
  marks on a letter count: normalising longer runs takes time that grows with their square.

So the tokens of a text and of its NFKC form are the same, and tokens joined by blanks are read as the
same tokens again. `rouge_score` itself drops every character outside ASCII: two equal Chinese
sentences score 0 there.
"""

from __future__ import annotations

import re
import unicodedata

import regex

TOKENIZER_VERSION = "1"
"""Changes whenever any text's tokens change; part of the config digest."""

_SPACELESS = (
    r"\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u30fc"
    r"\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}"
)
_JOINERS = r"\u200c\u200d"  # they stand inside Persian and Indic words
_ASCII_TOKEN = re.compile(r"[a-z0-9]+")
CHARACTERS = {
    "word": rf"[[\p{{L}}\p{{N}}]--[{_SPACELESS}]]",
    "spaceless": rf"[[\p{{L}}\p{{N}}]&&[{_SPACELESS}]]",
    "mark": r"\p{M}",
    "joiner": rf"[{_JOINERS}]",
}
"""The kinds of characters that tokens are made of, as sets of `regex`; no character is of two kinds."""

_UNICODE_TOKEN = regex.compile(
    rf"{CHARACTERS['spaceless']}\p{{M}}*|(?:{CHARACTERS['word']}[\p{{M}}{_JOINERS}]*)+", regex.V1
)
_BEYOND_ASCII = regex.compile(
    r"[\p{L}--[A-Za-z]]|[A-Za-z]\p{M}|\u0345",  # the mark U+0345 folds to a letter, iota
    regex.V1,
)
_COMMON_LETTERS = re.compile(
    "[à-öø-ÿа-яא-תء-غف-يअ-हก-ะぁ-ゖァ-ヺ一-龥가-힣]"  # some of those beyond ASCII: told apart in a third of the time
)
_MARKS = 32
_TOO_MANY_MARKS = regex.compile(rf"(\p{{M}}{{{_MARKS}}})\p{{M}}+")


def tokenize(text: str) -> list[str]:
    """The tokens of `text`, in order; empty when it has neither letter nor digit.

    >>> tokenize("Don't panic: 3 steps!")
    ['don', 't', 'panic', '3', 'steps']
    >>> tokenize("用Python写一首诗。")
    ['用', 'python', '写', '一', '首', '诗']
    """
    folded, ascii_lettered = fold(text)
    return (_ASCII_TOKEN if ascii_lettered else _UNICODE_TOKEN).findall(folded)


def fold(text: str) -> tuple[str, bool]:
    """`text` as it is cut into tokens, and whether the first rule does it."""
    if is_ascii_lettered(text):
        return text.lower(), True
    folded = unicodedata.normalize("NFKC", text if len(text) <= _MARKS else _few_marks(text))
    cased = folded.casefold()
    if cased != folded:
        folded = unicodedata.normalize("NFKC", cased)
    if len(folded) > _MARKS:
        folded = _few_marks(folded)
    return folded, folded != text and is_ascii_lettered(folded)


def _few_marks(text: str) -> str:
    return _TOO_MANY_MARKS.sub(r"\1", text)


def is_ascii_lettered(text: str) -> bool:
    """Whether every letter of `text` is ASCII and bears no combining mark: then its tokens are `rouge_score`'s."""
    return text.isascii() or (_COMMON_LETTERS.search(text) is None and _BEYOND_ASCII.search(text) is None)
