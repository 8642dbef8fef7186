"""Plan the questions about a passage: which kinds of questions it supports, about which facts, in how many wordings."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Literal, NamedTuple

from ...core.documents import Passage, Quote
from .facts import Fact, facts, steps
from .questions import contains, content, topic_of
from .statements import Sentence, blocks, sentences

Kind = Literal["closed_book", "open_book", "unanswerable", "steps", "notes", "summary", "multi_hop"]
DEFAULTS: dict[Kind, float] = {
    "closed_book": 6,
    "open_book": 2,
    "unanswerable": 1,
    "steps": 1,
    "notes": 0,
    "summary": 0,
    "multi_hop": 0,
}
ABOUT_ONE_FACT: tuple[Kind, ...] = ("closed_book", "open_book", "unanswerable")
ANSWERED_FREELY: tuple[Kind, ...] = ("summary", "multi_hop")
"""Kinds without a fact that the program has picked: the teacher answers, with a quote for each claim."""
_RESTATES = 0.3
"""Share of a sentence's words in another one that may say the same."""
_MOST_SHARING = 10
"""Passages that have a word, at most, for it to show that two of them share a subject."""


class PlannedQuestion(NamedTuple):
    """One question that a passage supports.

    kind: what becomes of the fact. fact: what it asks for. answer: the sentences that answer it, by their place.
    wording: 1 for the first wording of a question about a fact, 2 for the second one ...
    """

    kind: Kind
    fact: Fact
    answer: tuple[tuple[int, str], ...] = ()
    wording: int = 1

    def unit(self, passage: Passage) -> str:
        """Return the kind and the places of what is asked for in the document: 'closed_book:1280-1344'.

        From the second wording on, its number follows: 'closed_book:1280-1344:2'.
        """
        asked = [self.fact.place] if self.kind in ABOUT_ONE_FACT else [(at, at + len(text)) for at, text in self.answer]
        places = ",".join(f"{passage.start + start}-{passage.start + end}" for start, end in asked)
        return ":".join([self.kind, *filter(None, [places]), *([str(self.wording)] if self.wording > 1 else [])])

    def quotes(self, passage: Passage) -> tuple[Quote, ...]:
        """Return the sentences that answer, as they stand in the passage; for `unanswerable`, what is left of it."""
        places = self.answer
        if self.kind == "unanswerable":
            start, end = self.fact.sentence.start, self.fact.sentence.end
            kept = ((0, passage.text[:start].strip()), (end, passage.text[end:].strip()))
            places = tuple((passage.text.index(text, at), text) for at, text in kept if text)
        return tuple(passage.quote(passage.start + at, passage.start + at + len(text)) for at, text in places)


@dataclass(eq=False)
class Planner:
    """Plans the questions about passages, the same ones at each call.

    language: that of the documents, for the word lists. weights: the weight of each kind. openings: how a question of
    the kinds `steps` and `notes` begins. wordings: how many questions to ask about each fact. tolerated: objections to
    sentences and facts that don't count; see `facts`.
    """

    language: str
    weights: Mapping[Kind, float]
    openings: Mapping[Kind, str]
    wordings: int
    tolerated: frozenset[str]

    def __post_init__(self) -> None:
        # Each question needs the plan of its passage several times.
        self.plan = lru_cache(1024)(self._plan)

    def _plan(self, passages: tuple[Passage, ...]) -> dict[str, PlannedQuestion]:
        """Return the questions about a passage, or about several together, by unit."""
        if len(passages) > 1:
            planned = [PlannedQuestion("multi_hop", _nothing_picked("multi_hop"))]
        else:
            planned = sorted(self._about(passages[0]), key=lambda each: each.wording)
        return {each.unit(passages[0]): each for each in planned}

    def why_none(self, passage: Passage) -> str:
        """Return why a passage supports no question, in snake_case: 'no_self_contained_sentence', 'no_fact' ..."""
        return facts(passage.text, self.language, self.tolerated)[1]

    def pairs(self, passages: Sequence[Passage]) -> Iterator[tuple[Passage, Passage]]:
        """Yield each passage with the one that shares the most rare words with it; no pair twice."""
        if not self.weights["multi_hop"]:
            return
        having = defaultdict[str, list[int]](list)
        for number, each in enumerate(passages):
            for word in sorted(content(f"{each.text} {' '.join(each.headings)}", self.language)):
                having[word].append(number)
        shared = [defaultdict[int, float](float) for _ in passages]
        for numbers in having.values():
            if 2 <= len(numbers) <= _MOST_SHARING:
                for number, other in permutations(numbers, 2):
                    shared[number][other] += 1 / len(numbers)
        found = dict[tuple[int, int], None]()
        for number, scores in enumerate(shared):
            best = max(scores, key=lambda other: (scores[other], -other), default=number)
            found[min(number, best), max(number, best)] = None
        yield from ((passages[one], passages[other]) for one, other in found if one != other)

    def _about(self, passage: Passage) -> Iterator[PlannedQuestion]:
        found, _ = facts(passage.text, self.language, self.tolerated)
        for fact in found:
            hides = _can_be_hidden(fact, passage, self.language)
            possible = [kind for kind in ABOUT_ONE_FACT if hides or kind != "unanswerable"]
            weights = [self.weights[kind] for kind in possible]
            if any(weights):
                [kind] = random.Random(f"{passage.id}:{fact.place}").choices(possible, weights)
                for wording in range(1, self.wordings + 1):
                    yield PlannedQuestion(kind, fact, ((fact.sentence.start, fact.sentence.text),), wording)
        topic = topic_of(passage, self.language)
        if self.weights["steps"] and (listed := steps(passage.text, topic)):
            intro, items = listed
            yield self._of_list("steps", intro.start, intro.text, [(item.start, item.text) for item in items])
        # Study notes: all that the passage states.
        stated = list(dict.fromkeys((f.sentence.start, f.sentence.text) for f in found if f.kind != "entry"))
        if self.weights["notes"] and len(stated) >= 3 and topic:
            yield self._of_list("notes", stated[0][0], topic, stated)
        if self.weights["summary"] and sum(1 for block in blocks(passage.text) for _ in sentences(block)) >= 3:
            yield PlannedQuestion("summary", _nothing_picked("summary"))

    def _of_list(self, kind: Kind, start: int, about: str, items: list[tuple[int, str]]) -> PlannedQuestion:
        text = " ".join(text for _, text in items)
        return PlannedQuestion(kind, Fact(Sentence(start, about), kind, text, self.openings[kind], False), tuple(items))


def _nothing_picked(kind: Kind) -> Fact:
    return Fact(Sentence(0, ""), kind, "", "", False)


def _can_be_hidden(fact: Fact, passage: Passage, language: str) -> bool:
    """Return whether a passage without a fact's sentence says enough, and no longer has the answer in any words."""
    sentence, text = fact.sentence, passage.text
    rest = text[: sentence.start] + text[sentence.end :]
    if fact.kind == "entry" or len(rest) <= len(sentence.text) or (fact.exact and contains(rest, fact.answer)):
        return False
    stated = content(sentence.text, language)
    others = [each.text for block in blocks(rest) for each in sentences(block)]
    return all(len(stated & content(each, language)) < _RESTATES * len(stated) for each in others)
