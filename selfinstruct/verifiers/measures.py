"""What constraints count in a text: words, sentences, bullets, capitals, and so on.

A measure is a function of the text and of the constraint's parameters, and returns a number; yes is 1, and no is 0.
`constraints.yaml` compares measures with parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

import regex

from ..core.sentences import split_sentences
from ..core.shipped import shipped_yaml

Parameters = Mapping[str, Any]
_HAN = re.compile("[\u3400-\u9fff]")
# A word of an alphabet, with its apostrophes and hyphens, a number such as '3.5', 'e.g.', or one Han character.
_PART_OF_WORD = r"(?:(?!\p{Han})[\p{L}\p{M}\p{N}])+"
_INSIDE_WORD = r"(?:['’-]|(?<=\p{N})[.,](?=\p{N})|(?<!\w\w)\.(?=\p{L}(?!\w)))"
_WORD = regex.compile(rf"\p{{Han}}|{_PART_OF_WORD}(?:{_INSIDE_WORD}{_PART_OF_WORD})*")
_BULLET = re.compile(r"^[ \t]*(?:[-•+]|\*(?!\*))[ \t]*(?=\S)(?!-)", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*(\d{1,3})(?:\.(?!\d)|[)、．])[ \t]*(?=\S)", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+\S", re.MULTILINE)
_BOLD = re.compile(r"\*\*(?=\S)[^*\n]+?(?<=\S)\*\*|(?<!\*)\*(?=[^\s*])[^*\n]+?(?<=[^\s*])\*(?!\*)")
_OTHER_MARKDOWN = re.compile(r"```|`[^`\n]+`|\[[^\[\]\n]+\]\([^()\n]+\)|\|[ \t]*:?---")
_CODE_BLOCK = re.compile(r"^[ \t]*(```|~~~).*?^[ \t]*\1", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?!\w)")
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
_MARKS = re.compile(r"([.!?…]{3})[.!?…]+")
# Each quotation mark; a straight one opens before a character and after a space, a bracket, a colon, or nothing.
_QUOTATION_MARK = re.compile(r'(?P<opens>[“「]|(?<![^\s(（\[—:：])"(?=\S))|[”」"]')
_STARS = re.compile(r"^[ \t]*\*{3}[ \t]*$", re.MULTILINE)


def count_words(text: str) -> int:
    """Return the number of words; each Han character is one."""
    return len(_WORD.findall(text))


def paragraphs(text: str) -> list[str]:
    """Return the parts between empty lines."""
    return [part.strip() for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


def sentences(text: str) -> list[str]:
    """Return the sentences."""
    if not any(map(str.isupper, text)):  # no small letter follows the end of a sentence, unless all letters are small
        text = text.upper()
    text = _MARKS.sub(r"\1", text)  # splitting takes time quadratic in a run of marks
    return [text[start:end] for start, end in split_sentences(text)]


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def _outside_code(text: str) -> str:
    """Return a text without its blocks of code, unless it is nothing else."""
    rest = _CODE_BLOCK.sub("", text)
    return rest if rest.strip() else text


def _counts_up(numbers: list[str]) -> bool:
    return list(map(int, numbers)) == list(range(1, len(numbers) + 1))


def _section_numbers(text: str, marker: str) -> list[str]:
    heading = rf"第\s?(\d{{1,3}})\s?{marker}" if _HAN.search(marker) else rf"{re.escape(marker)}\s*(\d{{1,3}})\b"
    return re.findall(rf"^[^\w\n]*{heading}", text, re.MULTILINE)


def _whole(phrase: str) -> str:
    """Return the pattern of a word or phrase, as whole words where the script has spaces; '_so_' is emphasis."""
    if _HAN.search(phrase):
        return re.escape(phrase)
    after = r"(?![^\W_])" if phrase[-1:].isalnum() else ""
    return rf"(?<![^\W_]){re.escape(phrase)}{after}"


def _occurrences(text: str, word: str) -> int:
    return len(re.findall(_whole(word), text, re.IGNORECASE))


def _letters(text: str) -> list[str]:
    return [char for char in text if char.isalpha()]


def _capital_words(text: str) -> int:
    return sum(word.isupper() and len(word) > 1 for word in re.findall(r"[^\W\d_]+", text))


def _palindromes(text: str, least: int) -> int:
    words = {word.lower() for word in re.findall(r"[^\W\d_]+", text)}
    return sum(len(word) >= least and word == word[::-1] and len(set(word)) > 1 for word in words)


def _acrostic(text: str, word: str) -> bool:
    return "".join(next(iter(_letters(line)), "") for line in _lines(text)).casefold() == word.casefold()


def _columns(text: str) -> int:
    """Return the number of columns of the only Markdown table; 0 without one, or if its rows differ."""
    rows = [line.strip().strip("|").split("|") for line in text.split("\n") if line.strip().startswith("|")]
    if len(rows) < 3 or not all(re.fullmatch(r"\s*:?-+:?\s*", cell) for cell in rows[1]):
        return 0
    return len(rows[0]) if len({len(row) for row in rows}) == 1 else 0


def _is_json(text: str) -> bool:
    found = _FENCE.match(text)

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        json.loads(found[1] if found else text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _two_answers(text: str) -> bool:
    parts = [part.strip() for part in text.split("******")]
    return len(parts) == 2 and all(parts) and parts[0] != parts[1]


def _first_word(text: str, number: int) -> str:
    parts = paragraphs(text)
    found = re.search(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", parts[number - 1]) if number <= len(parts) else None
    return found[0].casefold() if found else ""


def _repeated_starts(text: str) -> int:
    starts = [found[0].casefold() for each in sentences(text) if (found := _WORD.search(each))]
    return len(starts) - len(set(starts))


def _ends_with(text: str, phrase: str) -> bool:
    return re.search(_whole(_folded(phrase)) + r"\Z", _folded(text.strip().rstrip('"”*_ '))) is not None


def _starts_with(text: str, phrase: str) -> bool:
    return re.match(_whole(_folded(phrase)), _folded(text.strip().lstrip('"“*_ '))) is not None


def _folded(text: str) -> str:
    return " ".join(text.replace("’", "'").casefold().split())


def _in_quotes(text: str) -> bool:
    """Return whether quotation marks enclose a text and don't close before its end: not '"Hello" and "bye"'."""
    text = text.strip().replace('\\"', "")
    depth = 0
    for mark in _QUOTATION_MARK.finditer(text[:-1]):
        depth += 1 if mark["opens"] else -1
        if depth <= 0:
            return False
    return len(text) > 2 and (text[0], text[-1]) in (('"', '"'), ("“", "”"), ("「", "」"))


@cache
def _frequent_words() -> dict[str, frozenset[str]]:
    data = shipped_yaml(__package__, "constraints.yaml")["frequent_words"]
    return {code: frozenset(words.split()) for code, words in data.items()}


def language_of(text: str) -> str:
    """Return the language of a text among those that constraints name, by its most frequent words; '' in doubt."""
    han, words = len(_HAN.findall(text)), re.findall(r"[^\W\d_]+", _HAN.sub(" ", text).lower())
    if han > len(words):
        return "zh"
    scores = sorted((sum(word in known for word in words), code) for code, known in _frequent_words().items())
    (second, _), (first, code) = scores[-2:]
    return code if first > second and first * 8 >= len(words) else ""


MEASURES: dict[str, Callable[[str, Parameters], float]] = {
    "words": lambda text, _: count_words(text),
    "characters": lambda text, _: len(text.strip()),
    "sentences": lambda text, _: len(sentences(text)),
    "longest_sentence": lambda text, _: max(map(count_words, sentences(text)), default=0),
    "paragraphs": lambda text, _: len(paragraphs(text)),
    "lines": lambda text, _: len(_lines(text)),
    "longest_line": lambda text, _: max(map(len, _lines(text)), default=0),
    "starred_parts": lambda text, _: len([part for part in _STARS.split(text) if part.strip()]),
    "bullets": lambda text, _: len(_BULLET.findall(_outside_code(text))),
    "numbered": lambda text, _: len(_NUMBERED.findall(_outside_code(text))),
    "numbered_in_order": lambda text, _: _counts_up(_NUMBERED.findall(_outside_code(text))),
    "headings": lambda text, _: len(_HEADING.findall(_outside_code(text))),
    "bold": lambda text, _: len(_BOLD.findall(_outside_code(text))),
    "columns": lambda text, _: _columns(text),
    "markdown": lambda text, _: sum(
        len(pattern.findall(text)) for pattern in (_BULLET, _HEADING, _BOLD, _OTHER_MARKDOWN)
    ),
    "is_json": lambda text, _: _is_json(text),
    "titles": lambda text, _: len(re.findall(r"<<\s*[^\s<>][^\n<>]*>>", text)),
    "postscripts": lambda text, given: len(
        re.findall(rf"^[^\w\n]*{re.escape(given['marker'])}[ \t:：]*\S", text, re.MULTILINE | re.IGNORECASE)
    ),
    "placeholders": lambda text, _: len(re.findall(r"\[[^\[\]\n]+\](?!\()", text)),
    "sections": lambda text, given: len(_section_numbers(text, given["marker"])),
    "sections_in_order": lambda text, given: _counts_up(_section_numbers(text, given["marker"])),
    "two_answers": lambda text, _: _two_answers(text),
    "repeats_request": lambda text, given: _starts_with(text, given["request"]),
    "word_count": lambda text, given: _occurrences(text, given["word"]),
    "other_count": lambda text, given: _occurrences(text, given["other"]),
    "paragraph_starts": lambda text, given: _first_word(text, given["k"]) == given["word"].casefold(),
    "letter_count": lambda text, given: text.casefold().count(given["letter"]),
    "acrostic": lambda text, given: _acrostic(text, given["word"]),
    "palindromes": lambda text, _: _palindromes(text, 3),
    "capitals": lambda text, _: sum(map(str.isupper, text)),
    "small_letters": lambda text, _: sum(map(str.islower, text)),
    "capital_words": lambda text, _: _capital_words(text),
    "commas": lambda text, _: sum(text.count(mark) for mark in ",，"),
    "mark_count": lambda text, given: sum(text.count(mark) for mark in given["mark"].split()),
    "exclamations": lambda text, _: sum(text.count(mark) for mark in "!！"),
    "ends_in_question": lambda text, _: text.strip().rstrip('"”*_ ').endswith(("?", "？")),
    "starts_with": lambda text, given: _starts_with(text, given["phrase"]),
    "ends_with": lambda text, given: _ends_with(text, given["phrase"]),
    "in_quotes": lambda text, _: _in_quotes(text),
    "repeated_starts": lambda text, _: _repeated_starts(text),
    "in_language": lambda text, given: language_of(text) == given["code"],
    "numbers": lambda text, _: len(_NUMBER.findall(_NUMBERED.sub("", text))),
    "digits": lambda text, _: sum(map(str.isdigit, text)),
    "grouped": lambda text, _: len(re.findall(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?![\d,])", text)),
    "ungrouped": lambda text, _: len(re.findall(r"(?<![\d,.])\d{4,}(?![\d])", text)),
}
"""The measures by the name that `constraints.yaml` uses."""


class Measured(dict[str, Fraction]):
    """The measures of a text, each computed when it is asked for; parameters that are numbers are values, too."""

    def __init__(self, text: str, parameters: Parameters) -> None:
        """text: the answer. parameters: those of one constraint."""
        super().__init__({name: Fraction(value) for name, value in parameters.items() if isinstance(value, int)})
        self._text, self._parameters = text, parameters

    def __missing__(self, name: str) -> Fraction:
        """Compute a measure. Raises KeyError for a name that is none."""
        self[name] = Fraction(MEASURES[name](self._text, self._parameters))
        return self[name]
