"""What a token is: the published tokens for ASCII letters, one rule for every other script."""

from __future__ import annotations

import time
import unicodedata

import pytest
import regex
from hypothesis import example, given, strategies as st
from rouge_score import tokenize as rouge

from selfinstruct.core.tokens import _COMMON_LETTERS, is_ascii_lettered, tokenize

ascii_letters = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cn", "L", "M"], include_characters="aZ kK'"))
"""Texts whose letters are all ASCII and bear no mark; digits, signs and symbols are of any script."""
assigned = st.characters(exclude_categories=["Cs", "Cn"])  # Python and `regex` may know different Unicode versions
marked = st.text(alphabet="aJıßſK éΣςあア编ที्ी\u0301\u030c\u0345\u200d\u200c\u3099٣Ⅷ㊗ＡｱĲ-", max_size=12)
texts = st.text() | marked


@given(ascii_letters)
@example("Don't panic: 3 steps, 50% of 1,000 — “quoted” … ½ ² ① ٣ 👍🏽")
def test_ascii_letters_give_the_published_tokens(text: str) -> None:
    assert is_ascii_lettered(text)
    assert tokenize(text) == rouge.tokenize(text, None)


@given(st.text(assigned) | marked)
def test_the_condition_as_documented(text: str) -> None:
    """Every letter is ASCII and bears no mark; the mark U+0345 counts as a letter, as it folds to one."""

    def is_mark(char: str) -> bool:
        return unicodedata.category(char)[0] == "M"

    letters = [n for n, char in enumerate(text) if char.isalpha() or char == "\u0345"]
    assert is_ascii_lettered(text) == all(
        text[n].isascii() and not any(map(is_mark, text[n + 1 : n + 2])) for n in letters
    )
    if is_ascii_lettered(text):
        assert tokenize(text) == rouge.tokenize(text, None)


@given(texts)
@example("ǅ J\u030c İ ß٣ A\u0345")
def test_a_text_and_its_nfkc_form_have_the_same_tokens(text: str) -> None:
    if not is_ascii_lettered(text):
        assert tokenize(unicodedata.normalize("NFKC", text)) == tokenize(text)


@given(texts)
def test_joined_tokens_are_read_as_the_same_tokens(text: str) -> None:
    tokens = tokenize(text)
    assert all(tokens)
    assert tokenize(" ".join(tokens)) == tokens


@given(texts)
def test_case_does_not_matter(text: str) -> None:
    folded = unicodedata.normalize("NFKC", text).casefold()
    if not is_ascii_lettered(text):
        assert tokenize(folded) == tokenize(text)


def test_the_letters_told_apart_early_are_letters() -> None:
    every = [chr(code) for code in range(0x110000)]
    early = [character for character in every if _COMMON_LETTERS.match(character)]
    assert len(early) > 30_000
    assert all(regex.fullmatch(r"\p{L}", character) and not character.isascii() for character in early)


@pytest.mark.parametrize(
    ("script", "text", "tokens"),
    [
        ("Han", "写一首诗。", ["写", "一", "首", "诗"]),
        ("Han beyond the first plane", "𠮷野家", ["𠮷", "野", "家"]),
        ("kana", "アイスを食べる", ["ア", "イ", "ス", "を", "食", "べ", "る"]),
        ("kana with a long vowel", "コーヒー", ["コ", "ー", "ヒ", "ー"]),
        ("half-width kana with its mark", "ｶﾞｽ", ["ガ", "ス"]),
        ("Thai, marks above", "ที่นี่", ["ที่", "นี่"]),
        ("Lao", "ນ້ຳ", ["ນ\u0ec9\u0ecd", "າ"]),
        ("Khmer", "ខ្មែរ", ["ខ\u17d2", "មែ", "រ"]),
        ("Myanmar", "မြန်မာ", ["မြ", "န်", "မာ"]),
        ("Devanagari keeps its marks", "हिन्दी में लिखो", ["हिन्दी", "में", "लिखो"]),
        ("Arabic keeps its marks", "كِتَابٌ جديد", ["كِتَابٌ", "جديد"]),
        ("Hebrew keeps its marks", "שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("Persian, joined inside", "می‌خواهم", ["می‌خواهم"]),
        ("Hangul is written with blanks", "한국어 문장", ["한국어", "문장"]),
        ("Vietnamese", "Tiếng Việt", ["tiếng", "việt"]),
        ("Greek, one sigma", "ΟΔΟΣ οδος", ["οδοσ", "οδοσ"]),
        ("German", "Maß STRASSE Übung", ["mass", "strasse", "übung"]),
        ("full-width Latin and digits", "ＡＢＣ１２", ["abc12"]),
        ("mixed", "用Python写3个test，don't！", ["用", "python", "写", "3", "个", "test", "don", "t"]),
        ("digits of another script", "गणित १२", ["गणित", "१२"]),
        ("a letter with a mark of its own", "x\u0301y z", ["x\u0301y", "z"]),
        ("punctuation alone", "……！？", []),
        ("nothing", "", []),
    ],
)
def test_scripts(script: str, text: str, tokens: list[str]) -> None:
    assert tokenize(text) == [unicodedata.normalize("NFKC", token) for token in tokens]


@pytest.mark.parametrize(
    "unit", ["ab 'x", "é", "编", "ที่", "é\u200d", "é'", "\u0301\u0316", "हि "], ids=lambda unit: ascii(unit)
)
def test_time_grows_with_length_alone(unit: str) -> None:
    """A million characters of anything, a run of combining marks included, take seconds at most."""
    text = "é" + unit * (1_000_000 // len(unit))
    started = time.perf_counter()
    tokenize(text)
    assert time.perf_counter() - started < 5
