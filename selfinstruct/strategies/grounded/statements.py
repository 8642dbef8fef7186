"""Find the sentences of a passage that state something on their own: no fragment, and nothing that refers elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from ...core.language_tags import primary
from ...core.sentences import split_sentences
from ...core.shipped import shipped_yaml

_ITEM = re.compile(r"(?:[-*+•‣◦]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+")
_CODE = re.compile(r"^(?:\t|\s*(?:[$#>%]|>>>)\s)|[{};]\s*$|^\s*\||^#+ ", re.MULTILINE)
_FENCED = re.compile(r"^[ \t]*(`{3,}).*?(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
# Up to a blank line or the next item.
_PART = re.compile(r"(?:(?!\n\s*\n|\n\s*(?:[-*+•‣◦]|\(?\d{1,3}[.)]) ).)+", re.DOTALL)
_TERM = re.compile(r"(?P<term>[^\n]{1,60}?)[:.]?\n[ \t]+(?=\S)")
_FOOTNOTE = re.compile(r"\s*\[\d+\]")
_SPAN_WORD = r"`[^`\n]{1,60}`"


class Sentence(NamedTuple):
    """A sentence, and the place of its first character in the passage."""

    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Block(NamedTuple):
    """A paragraph or an item of a list, and the place of its first character.

    marker: '- ' or '1. ' of an item. term: what the text describes, such as '--force'; empty for most. indented:
    whether it stands below an item.
    """

    start: int
    text: str
    marker: str = ""
    term: str = ""
    indented: bool = False


@lru_cache
def words(language: str, kind: str) -> re.Pattern[str] | None:
    """Return a pattern of the words of a kind in words.yaml, as whole words in any case; None if there are none."""
    listed = shipped_yaml(__package__, "words.yaml").get(primary("en" if language == "any" else language), {})
    if kind not in listed:
        return None
    inside = re.sub(r"\|\s+", "|", listed[kind])
    return re.compile(rf"(?<![\w-])(?:{inside})(?![\w-])", re.IGNORECASE)


def blocks(text: str) -> Iterator[Block]:
    """Yield the paragraphs and the items of lists, without their markers; no code, headings, or tables."""
    # What is between fences is blanked, so that all places stay.
    text = _FENCED.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    for part in _PART.finditer(text):
        own = part.group().rstrip()
        if not own.strip() or _CODE.search(own):
            continue
        lead = len(own) - len(own.lstrip())
        indented = own[:lead].endswith("  ")
        marker = _ITEM.match(own, lead)
        lead = marker.end() if marker else lead
        # '- --force\n  Overwrite files.'
        term = _TERM.match(own, lead) if marker else None
        lead = term.end() if term else lead
        named = term["term"] if term else ""
        yield Block(part.start() + lead, own[lead:], marker.group().strip() if marker else "", named, indented)


def sentences(block: Block) -> Iterator[Sentence]:
    """Yield the sentences of a block in order; the last may be a fragment."""
    for start, end in split_sentences(block.text):
        yield Sentence(block.start + start, block.text[start:end])


def objection(sentence: str, language: str, in_list: bool = False) -> str | None:
    """Return why a sentence does not stand on its own, in snake_case; None if it does.

    Args:
        sentence: The text.
        language: The language of the document, for the word lists.
        in_list: Whether it is in an item of a list, which continues what precedes the list.
    """
    plain = re.sub(_SPAN_WORD, "`x`", " ".join(sentence.split()))
    count = len(plain.split()) if " " in plain else len(plain) // 2
    # A whole sentence: 'Use foo:' introduces something, and 'see below' has no mark at its end.
    if not re.search(r"[.!。！][\"'”’)」』）]*$", sentence):
        return "no_sentence"
    if not 6 <= count <= 45 or len(sentence) > 400:
        return "length"
    first = sentence[0]
    if first.islower() or not (first.isalpha() or first in "`\"“„'«¿¡-/"):
        return "fragment"
    if sentence.count("(") != sentence.count(")") or sentence.count("`") % 2 or _FOOTNOTE.search(sentence):
        return "fragment"
    if re.search(r"https?://|\bwww\.|\.\.\.|…|:\s|\[\d", plain):
        return "reference"
    verbs, orders = words(language, "verbs"), words(language, "imperatives")
    ordered = orders and any(orders.match(part) for part in (plain, *plain.split(", ")))
    whole = (opener := words(language, "whole")) and opener.match(plain) and ", " in plain
    if verbs and not (verbs.search(plain) or ordered or whole):
        return "fragment"
    if (openers := words(language, "openers")) and openers.match(plain):
        return "anaphor"
    if (references := words(language, "references")) and references.search(plain):
        return "reference"
    if _early_pronoun(plain, language):
        return "anaphor"
    if _generic_subject(plain, language):
        return "generic"
    return "fragment" if in_list and not _names_something(sentence) else None


def _early_pronoun(plain: str, language: str) -> bool:
    """Return whether a pronoun stands before anything that it could stand for: among the first five words."""
    pronouns = words(language, "pronouns")
    found = pronouns.search(plain) if pronouns else None
    return found is not None and len(plain[: found.start()].split()) < 5


def _generic_subject(plain: str, language: str) -> bool:
    """Return whether a sentence opens with 'The program', or 'If the file', which says not which one."""
    generic = words(language, "generic")
    if generic is None:
        return False
    opened = re.match(
        r"(?:(?:if|when|once|after|before|in|for|with|by|from|on|at|to|while|as|since|because) )?(?:the|a|an) ",
        plain,
        re.IGNORECASE,
    )
    if not opened:
        return bool(generic.match(plain))
    # 'The file `debian/rules` ...' and 'The option --foo' do.
    rest = plain[opened.end() :]
    noun = generic.match(rest)
    return noun is not None and not re.match(r"[`\"“-]|of\b", rest[noun.end() : noun.end() + 4].strip())


def _names_something(sentence: str) -> bool:
    return bool(re.search(rf"{_SPAN_WORD}|\s[A-Z][\w-]+|--\w|\w/\w|\w_\w", sentence))
