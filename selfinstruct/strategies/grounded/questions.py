"""Check questions and answers against the fact they are made from, and give a question the name of its subject."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from ...core.documents import Passage
from ...core.language_tags import primary
from ...core.tokens import tokenize
from .facts import Fact
from .statements import words

_NUMBERING = re.compile(
    r"^(?:(?:chapter|section|appendix|part|kapitel|abschnitt|anhang)\s+)?(?:[A-Z]|\d+)(?:\.\d+)*\.?\s+", re.IGNORECASE
)
_SECTION = re.compile(r"\(\d\w*\)")  # of a manual page
# Something in a question that has a name: code, an option, a word with capitals.
_NAME = re.compile(r"[`\"“]|\b[a-z]+[A-Z_]\w*|(?<=[ (])[A-Z][\w-]+|(?<=[ (])--?\w")
_CODE = re.compile(r"`[^`]+`")
_MOST_TOLD = 0.6
"""Share of the words of a clause that the question for it may have; the subject and the verb are in both."""
_MARKS = " \t\n.,;:!?\"'`“”„«»‘’()[]。，"


def subject_of(passage: Passage, language: str) -> str:
    """Return the name of what a document is about, after its title: 'Borg' for 'borg prune — Borg 1.2 documentation'.

    Empty if the title only names a chapter.
    """
    added = words(language, "titles")
    for part in reversed(re.split(r"\s+[—–|·]\s+|\s+-\s+(?=\S+$)|\s*::\s*", passage.title)):
        name = " ".join(_SECTION.sub("", added.sub("", part) if added else part).split()).strip(_MARKS + "-–—")
        # 'Borg 1.2 documentation' and 'git-gc(1) Manual Page' name a subject; 'Backing up disk images' is a chapter.
        if (
            name
            and len(name.split()) <= (3 if name != part.strip() else 2)
            and not _NUMBERING.match(part.strip() + " ")
        ):
            return name
    return ""


def topic_of(passage: Passage, language: str) -> str:
    """Return the innermost heading that names a topic, without its number; empty if it is general or no name."""
    heading = passage.headings[-1] if passage.headings else ""
    name = _NUMBERING.sub("", heading).strip(_MARKS + "¶#").replace("`", "")
    # 'Add a disk' says what to do, and 'The table' or 'Above the limit' continue a text.
    first = [words(language, kind) for kind in ("common", "openers", "references")]
    general, orders, objects = (words(language, kind) for kind in ("headings", "imperatives", "objects"))
    order = orders.match(name) if orders else None
    is_order = order is not None and (objects is None or objects.match(name[order.end() :].lstrip()))
    is_name = not any(each and each.match(name) for each in first) and not (general and general.fullmatch(name))
    return name if is_name and not is_order and len(name.split()) <= 5 and "?" not in heading else ""


def complete(question: str, subject: str, topic: str, language: str, *, always: bool = False) -> str:
    """Return a question that names its subject: 'Which option ...?' becomes 'In Borg, which option ...?'.

    A question without any name in it also gets the topic: 'In Git (interactive mode), what happens ...?'. always: name
    the topic in any case, because the question's name is that of a part of it: 'In Git (git push), what does `-f` ...?'
    """
    said = _stems(question)
    is_named = any(word in said for word in _stems(subject))
    where = "" if is_named else subject
    about, known = _stems(topic), said | _stems(subject)
    if topic and (about - known if always else not (is_named or _NAME.search(question) or about & known)):
        where += f" ({topic})" if where else topic
    # English has a form for it; elsewhere 'Borg: Welche Option ...?' does.
    if not where:
        return question
    return f"In {where}, {question[0].lower()}{question[1:]}" if words(language, "lead") else f"{where}: {question}"


def objection_to_summary(instruction: str, passage: Passage, language: str) -> str | None:
    """Return why an instruction to sum up a passage is not kept: it must say what of, as others are about others."""
    known = content(" ".join((passage.text, passage.title, *passage.headings)), language)
    return None if len(known & content(instruction, language)) > 1 else f"too_vague: {instruction[:80]}"


def objection_to(
    question: str,
    fact: Fact,
    passages: Sequence[Passage],
    subject: str,
    language: str,
    *,
    asked_in: str = "",
    own_words: bool = False,
) -> str | None:
    """Return why a question is not kept, as 'reason: detail'; None if nothing speaks against it.

    Args:
        question: The question.
        fact: What it must ask for; its opening is how the question was to begin.
        passages: What the teacher was shown.
        subject: What the documents are about.
        language: The language of the documents.
        asked_in: The language of the question, if it is another one. Then its words are not compared.
        own_words: Whether the question may bring in words of its own, as someone who asks in a role does.
    """
    asked_in = asked_in or language
    if not re.search(r"[?？]$", question):
        return f"no_question: {question[:80]}"
    for reason, kind in (("mentions_source", "sources"), ("not_self_contained", "demonstratives")):
        listed = words(asked_in, kind)
        for found in listed.finditer(question) if listed else ():
            # A manual of an editor may speak of paragraphs.
            if kind != "sources" or not contains(fact.sentence.text, found.group()):
                return f"{reason}: {found.group()}"
    named = _CODE.findall(question)
    if len(named) > len(set(named)):
        return f"repeats_name: {next(name for name in named if named.count(name) > 1)}"
    if (broken := words(asked_in, "broken")) and (wrong := broken.search(question)):
        return f"ungrammatical: {wrong.group()}"
    if fact.exact and contains(question, fact.answer):
        return f"gives_answer_away: {fact.answer}"
    if _asks_twice(question, fact.opening, asked_in):
        return f"several_questions: {question[-80:]}"
    if primary(asked_in) != primary(language):
        return None
    # What a question says must come from the fact: everything else is made up. One word may be another.
    shown = " ".join(each.text for each in passages)
    heads = [head for each in passages for head in (each.title, *each.headings)]
    said = " ".join((fact.sentence.text, *heads, subject, fact.noun, fact.opening))
    asked = content(question, language)
    added = sorted(asked - content(said if fact.exact else f"{said} {shown}", language))
    if len(added) > 1 and not own_words and words(language, "light"):
        return f"adds_words: {', '.join(added)}"
    # 'What should you do?' needs an answer that says what to do.
    advice, orders, rest = (words(language, "advice"), words(language, "imperatives"), question[len(fact.opening) :])
    clauses = re.split(r"[,;] (?:and |or )?| (?:and|or) ", fact.answer)
    advised = (
        advice is None
        or orders is None
        or advice.search(fact.answer)
        or any(orders.match(clause) for clause in clauses)
    )
    if fact.answer and advice and advice.search(rest) and not advised:
        return f"adds_words: {rest.strip()}"
    # A question that tells most of the clause leaves nothing to ask.
    clause = content(fact.answer, language)
    if not fact.exact and fact.kind != "entry" and len(clause & asked) > _MOST_TOLD * len(clause):
        return f"gives_answer_away: {fact.answer[:80]}"
    # It must say enough of the fact to have one answer.
    own = content(fact.sentence.text, language) - content(fact.answer, language)
    if fact.exact and len(own & asked) < max(min(3, len(own)), 0.4 * len(own)):
        return f"too_vague: {question[:80]}"
    return None


def _asks_twice(question: str, opening: str, language: str) -> bool:
    several = words(language, "several")
    joined = rf"(?:,|;|\b(?:and|or|und|oder)\b)\s+{several.pattern}" if several else r"[?？].*[?？]"
    second = re.findall(joined, question[len(opening) + 1 :], re.IGNORECASE)
    # 'If you open a file, what does Vim do?' has its question word after the comma.
    leading, whole = question[: len(opening)].endswith(","), words(language, "whole")
    if not opening and several:
        leading = not several.match(question) or bool(whole and whole.match(question))
    return len(re.findall("[?？]", question)) > 1 or len(second) > leading


def agrees(answer: str, fact: Fact, language: str) -> bool:
    """Return whether a reader's answer is that of the fact: exactly it, or for a clause a copy from it."""
    if fact.exact:
        return strip_noun(answer, fact.noun) == strip_noun(fact.answer, fact.noun)
    # A small model continues after the sentence that answers.
    answer = re.split(r"(?<=[.!?])\s", answer)[0]
    given, wanted = content(answer, language), content(fact.answer, language)
    stated = content(f"{fact.sentence.text} {fact.answer} {fact.term}", language)
    return len(given & stated) >= 0.8 * len(given) and len(given & wanted) >= max(1, min(3, 0.4 * len(wanted)))


def fold(text: str) -> str:
    """Return a text for comparison: NFKC, lower case, no quotes, one space between words, no commas in numbers."""
    plain = re.sub(r"[`\"“”„«»‘’']", "", unicodedata.normalize("NFKC", text).casefold())
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", re.sub(r"[\u2010-\u2015\u2212]", "-", plain))
    return " ".join(plain.split()).strip(" \t.,;:!?")


def strip_noun(text: str, noun: str) -> str:
    """Return a short answer without article and noun: 'the pbuilder package' becomes 'pbuilder'."""
    plain = re.sub(r"^(?:the|a|an|der|die|das) ", "", fold(text))
    return re.sub(rf"^{re.escape(noun)} | {re.escape(noun)}$", "", plain) if noun else plain


def contains(text: str, part: str) -> bool:
    """Return whether a text contains a name or number as a whole word, compared by `fold`."""
    return bool(re.search(rf"(?<![\w]){re.escape(fold(part))}(?![\w])", fold(text)))


def content(text: str, language: str) -> set[str]:
    """Return the stems of the words of a text that carry meaning."""
    return {found for word in tokenize(fold(text)) if (found := _meaning(word, language))}


@lru_cache(1 << 16)
def _meaning(word: str, language: str) -> str:
    """Return the stem of a word that carries meaning; empty for others."""
    light = words(language, "light")
    return "" if (light and light.fullmatch(word)) or (len(word) == 1 and word.isascii()) else stem(word)


def stem(word: str) -> str:
    """Cut the common endings of a word, so that 'stored' and 'stores' are equal. Crude, and enough to compare."""
    for ending in ("ies", "ing", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _stems(text: str) -> set[str]:
    return {stem(word) for word in tokenize(fold(text)) if len(word) > 2 or not word.isascii()}
