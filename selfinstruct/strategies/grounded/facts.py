"""Choose what to ask about a passage: facts, each a part of a sentence that stands on its own, and how to ask."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from ...core.language_tags import primary
from ...core.shipped import fill_in, shipped_yaml
from .spans import Span, spans
from .statements import Block, Sentence, blocks, objection, sentences, words

_COMMAND = re.compile(
    r"(?!(?:A|An|The|When|If|Like|Same|May|With|For|In|On|As|To|By|At|From|This|These|No|Not|Only)\b)"
    r"[A-Z][a-z]+(?<!ly)(?<!ing) "
    r"(?!(?:of|for|that|which|is|are|in|on|at|by|be|like)\b)[^:]{12,300}[.]$"
)


# '--force', 'core.editor', 'BORG_REPO', '/etc/fstab', '`init`': no word of everyday language.
_TERM = re.compile(r"--?\w|\w+[_.(/-]|[A-Z]{3}|/|`")


_PLACEHOLDER = re.compile(r"[<>$*\[\]…]|\b(?:foo|bar|baz|hello|example|your|my)", re.IGNORECASE)
_LONGEST = 180
"""Characters of a sentence that a name or number is asked from: a longer one has several things to ask for."""


class Fact(NamedTuple):
    """A fact to ask for.

    sentence: what states it. kind: 'number', 'option', 'condition' ... answer: the part of the sentence that answers
    the question. opening: how the question begins; empty where the model decides. exact: whether the answer is one
    name or number, so that a reader must return exactly that. noun: what the sentence calls the answer. term: what the
    sentence describes, as it precedes the sentence in a list; empty for most.
    """

    sentence: Sentence
    kind: str
    answer: str
    opening: str
    exact: bool
    noun: str = ""
    term: str = ""

    @property
    def place(self) -> tuple[int, int]:
        """Start and end of the answer in the passage."""
        found = re.search(r"\s+".join(map(re.escape, self.answer.split())), self.sentence.text)
        start, end = found.span() if found else (0, len(self.sentence.text))
        return self.sentence.start + start, self.sentence.start + end


@lru_cache(256)
def facts(text: str, language: str, tolerated: frozenset[str] = frozenset()) -> tuple[tuple[Fact, ...], str]:
    """Return the facts of a passage, at most one for each sentence, and why there are no more, in snake_case.

    tolerated: objections to a sentence that don't count, see `statements.objection`, 'lacks_context' for facts that
    hold in one place only, and 'no_fact', to ask for whole sentences without any other fact.
    """
    found: list[Fact] = []
    why, term = "no_prose", ""
    for block in blocks(text):
        # A term holds for the paragraphs that are indented below it.
        term = block.term or (term if block.indented and not block.marker else "")
        for number, sentence in enumerate(sentences(block)):
            if block.term and number == 0 and (fact := _entry(block.term, sentence, language)):
                found.append(fact)
            elif (objection(sentence.text, language, bool(block.marker)) or "no_fact") not in {"no_fact", *tolerated}:
                why = "no_self_contained_sentence" if why == "no_prose" else why
            elif fact := _relation(sentence, language, text) or _span(sentence, language):
                if term or "lacks_context" in tolerated or not _lacks_context(fact, language):
                    found.append(fact._replace(term=_name(term)))
                else:
                    why = "lacks_context"
            elif "no_fact" in tolerated:
                found.append(Fact(sentence, "statement", sentence.text, "", False, term=_name(term)))
            else:
                why = "no_fact"
    return tuple(found), why


def steps(text: str, heading: str) -> tuple[Block, list[Block]] | None:
    """Return what introduces a numbered list of at least three items, and the items; None without one.

    That is a paragraph that ends in a colon, or the heading if the list begins the passage.
    """
    intro: Block | None = None
    items: list[Block] = []
    for block in blocks(text):
        if block.marker[:1].isdigit():
            items.append(block)
        elif len(items) >= 3:
            break
        else:
            intro, items = block, []
    if intro is None and heading and items:
        intro = Block(items[0].start, f"{heading}:")
    numbered = [int(re.sub(r"\D", "", item.marker)) for item in items]
    whole = numbered == list(range(1, len(items) + 1))
    return (intro, items) if intro and len(items) >= 3 and whole and intro.text.endswith(":") else None


def _entry(term: str, sentence: Sentence, language: str) -> Fact | None:
    """Return what a list says about a term: '--force' and 'Overwrite files that exist.'"""
    form, name = _data(language).get("entry"), _name(term)
    # 'Remove remote branches that ...', not 'Format of the archive.' or 'When set, ...'.
    if form is None or not _TERM.match(term) or not _COMMAND.match(_flat(sentence)) or not _balanced(sentence.text):
        return None
    referring = (words(language, "demonstratives"), words(language, "references"))
    if any(each and each.search(sentence.text) for each in referring):
        return None
    opening = fill_in(form, {"kind": "option " if name.startswith("-") else "", "term": f"`{name}`"})
    return Fact(sentence, "entry", sentence.text, opening, False, term=term)


def _name(term: str) -> str:
    """Return '--color[=WHEN]' as it is, and 'timeout' for '`timeout` (`integer`)'."""
    return re.sub(r"(?<=.)\s+\(.*\)$", "", term).replace("`", "").strip()


def _lacks_context(fact: Fact, language: str) -> bool:
    """Return whether a fact is about an operand that only the text above it names: 'If -1 is specified'."""
    operands = words(language, "operands")
    return fact.kind == "condition" and operands is not None and operands.match(fact.opening) is not None


def _relation(sentence: Sentence, language: str, passage: str) -> Fact | None:
    for kind, pattern, opening in _relations(language):
        found = pattern.match(_flat(sentence))
        if found is None:
            continue
        parts = {name: value or "" for name, value in found.groupdict().items()}
        topic, answer = parts["topic"], parts["answer"].strip()
        unclear = [
            words(language, name) for name in ("pronouns", *(() if kind in ("how", "condition") else ("clauses",)))
        ]
        if any(each and each.search(topic) for each in unclear) or not (_balanced(topic) and _balanced(answer)):
            continue
        # 'The debuild command' is in the middle of the question.
        first = re.match(r"[A-ZÄÖÜ][a-zäöüß]*(?= |$)", topic)
        if (
            first
            and not opening.startswith("{")
            and _flat(sentence).startswith(topic)
            and _is_common(first.group(), passage, language)
        ):
            parts["topic"] = topic[0].lower() + topic[1:]
        return Fact(sentence, kind, answer, " ".join(fill_in(opening, parts).split()), False)
    return None


def _is_common(word: str, passage: str, language: str) -> bool:
    """Return whether the first word of a sentence is no name: an article, or elsewhere written without a capital."""
    common = words(language, "common")
    if common and common.fullmatch(word):
        return True
    return bool(re.search(rf"[ (]{word.lower()}\b", passage)) and not re.search(rf"[a-z,] {word}\b", passage)


def _span(sentence: Sentence, language: str) -> Fact | None:
    # 'Add `closes:` statements ...' says what to do, and only a relation can ask for that.
    imperatives, listed, text = (words(language, "imperatives"), _data(language), _flat(sentence))
    if (imperatives and imperatives.match(text)) or len(text) > _LONGEST:
        return None
    openings: dict[str, str] = listed.get("openings", {})
    for span in spans(text, language):
        kind = "folder" if span.kind == "path" and span.text.endswith("/") else span.kind
        opening = (
            fill_in(openings["noun"], {"noun": span.noun})
            if span.noun and "noun" in openings
            else openings.get(kind, "")
        )
        # Code of an unknown kind has no form of question.
        if (opening or not openings) and not _is_part(span, text, language):
            return Fact(sentence, span.kind, span.text, opening, True, span.noun)
    return None


def _is_part(span: Span, sentence: str, language: str) -> bool:
    """Return whether a span is no whole answer: one of 'A, B, and C', an example, a remark, or a placeholder."""
    before, after = (sentence[: span.start].rstrip("`\"“'"), sentence[span.end :].lstrip("`\"”'"))
    joint = r"(?:\band|\bor|\bund|\boder|/|,|&)"
    left = re.search(rf"[-\w`\"”')]\s?{joint}\s?$", before)
    right = re.match(rf"(?:\s\w+)?,?\s?{joint}\s?[`\"“'(]?[-\w~./]", after)
    example = re.search(r"(?:\b(?:such as|e\.g\.,?|like|for example,?|say,?|i\.e\.,?|z\. ?B\.|wie))\s*$", before)
    naming = words(language, "naming")
    unnamed = span.kind == "quoted" and not span.noun and naming and not naming.search(before[-30:])
    inside = sentence.count("(", 0, span.start) > sentence.count(")", 0, span.start)
    return bool(left or right or inside or example or unnamed or _PLACEHOLDER.search(span.text))


def _flat(sentence: Sentence) -> str:
    """Return a sentence in one line."""
    return " ".join(sentence.text.split())


def _balanced(text: str) -> bool:
    return text.count("(") == text.count(")") and text.count("`") % 2 == 0


def _data(language: str) -> dict[str, Any]:
    listed: dict[str, Any] = _words().get(primary("en" if language == "any" else language), {})
    return listed


@lru_cache
def _words() -> dict[str, Any]:
    listed: dict[str, Any] = shipped_yaml(__package__, "words.yaml")
    return listed


@lru_cache
def _relations(language: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Return the relations of a language: kind, pattern, and opening."""
    listed = _data(language)
    begin = re.sub(r"\|\s+", "|", listed.get("begin", ""))
    parts = {"begin": f"(?i:{begin})", "act": listed.get("act", ""), **listed.get("parts", {})}
    return [
        (each["kind"], re.compile(fill_in(each["pattern"], parts)), each["opening"])
        for each in listed.get("relations", ())
    ]
