"""Count the root verbs of instructions and their direct objects (Self-Instruct, section 3.1 and Figure 3).

The paper uses a constituency parser and takes the verb closest to the root and its first direct noun object. Two
finders are available: `parsing` uses spaCy if it is installed, and `word_list` needs no parser.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from ...core.language_tags import primary

VERBS, NOUNS = 20, 4
"""Size of the figure in the paper: the 20 most frequent verbs, and the 4 most frequent objects of each."""


class VerbNoun(NamedTuple):
    """Dictionary forms of a root verb and its direct object; None if not found."""

    verb: str | None = None
    noun: str | None = None


@dataclass(frozen=True, slots=True)
class Verb:
    """A root verb, the number of instructions that have it, and its direct objects, most frequent first."""

    verb: str
    count: int
    nouns: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class VerbNouns:
    """Root verbs and their direct objects (Self-Instruct, Figure 3), most frequent verbs first.

    found_by: description of the parser or word list. parsed: number of instructions examined, out of `records`.
    with_verb: how many of these have a root verb; with_noun: how many also have an object.
    distinct: number of distinct verb-noun pairs.
    """

    found_by: str
    records: int
    parsed: int
    with_verb: int
    with_noun: int
    distinct: int
    verbs: tuple[Verb, ...]


class Finder(Protocol):
    """Finds verbs and objects. name: description for readers. most: maximum number of texts in reasonable time."""

    name: str
    most: int | None

    def find(self, texts: Sequence[str]) -> Iterator[VerbNoun]:
        """Yield one result per text, in order."""


class NoFinder:
    """Examines no text: for runs in a language that no finder knows."""

    name = "no parser, because this works in English and Chinese only"
    most: int | None = 0

    def find(self, texts: Sequence[str]) -> Iterator[VerbNoun]:
        """Yield an empty result per text."""
        return (VerbNoun() for _ in texts)


def suited(finder: Finder, language: str) -> Finder:
    """Return the finder, or `NoFinder` for a run in another language than English and Chinese."""
    return finder if primary(language) in ("en", "zh", "any") else NoFinder()


def finder_for(parser: Literal["auto", "word-list"] = "auto") -> Finder:
    """Return a spaCy finder if spaCy and an English model are installed, otherwise the word list."""
    from .parsing import spacy_finder
    from .word_list import WordList

    return (spacy_finder() if parser == "auto" else None) or WordList()


def verb_nouns(instructions: Sequence[str], finder: Finder) -> VerbNouns:
    """Count verbs and objects. Above the finder's maximum, count a sample drawn with a fixed seed."""
    texts = list(instructions)
    if finder.most is not None and len(texts) > finder.most:
        texts = random.Random("verb-noun").sample(texts, finder.most)
    nouns: defaultdict[str, Counter[str]] = defaultdict(Counter)
    counts: Counter[str] = Counter()
    for pair in finder.find(texts):
        if pair.verb is not None:
            counts[pair.verb] += 1
            if pair.noun is not None:
                nouns[pair.verb][pair.noun] += 1
    # Rank verbs by their pairs, as in the paper; verbs without an object don't count.
    ranked = sorted(nouns, key=lambda verb: (-nouns[verb].total(), verb))
    return VerbNouns(
        found_by=finder.name,
        records=len(instructions),
        parsed=len(texts),
        with_verb=counts.total(),
        with_noun=sum(objects.total() for objects in nouns.values()),
        distinct=sum(map(len, nouns.values())),
        verbs=tuple(Verb(verb, nouns[verb].total(), _most_frequent(nouns[verb])) for verb in ranked[:VERBS]),
    )


def _most_frequent(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:NOUNS])
