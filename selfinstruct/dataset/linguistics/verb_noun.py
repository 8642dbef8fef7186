"""What is asked for: the root verb of an instruction and its direct object (Self-Instruct, section 3.1 and Figure 3).

The paper parses with a constituency parser and takes the verb closest to the root and its first direct noun object.
Two finders do it here: `parsing` with spaCy, where it is installed, and `word_list` without.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

VERBS, NOUNS = 20, 4
"""What the paper's figure shows: the 20 most frequent verbs and the 4 most frequent objects of each."""


class VerbNoun(NamedTuple):
    """A root verb and its direct object, as they stand in a dictionary; None where there is none."""

    verb: str | None = None
    noun: str | None = None


@dataclass(frozen=True, slots=True)
class Verb:
    """A root verb, how many instructions have it, and its direct objects, the most frequent first."""

    verb: str
    count: int
    nouns: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class VerbNouns:
    """Root verbs and their direct objects (Self-Instruct, Figure 3), the most frequent verbs first.

    found_by: the parser or word list that found them, in words. parsed: instructions looked at, of `records`.
    with_verb, with_noun: of them, those with a root verb, and with an object, too.
    distinct: different verb-noun pairs.
    """

    found_by: str
    records: int
    parsed: int
    with_verb: int
    with_noun: int
    distinct: int
    verbs: tuple[Verb, ...]


class Finder(Protocol):
    """What finds verbs and objects. name: which one it is, for the reader. most: more texts than this take too long."""

    name: str
    most: int | None

    def find(self, texts: Sequence[str]) -> Iterator[VerbNoun]:
        """One answer for each text, in order."""


def finder_for(parser: Literal["auto", "word-list"] = "auto") -> Finder:
    """spaCy with an English model where both are installed, else the word list."""
    from .parsing import spacy_finder
    from .word_list import WordList

    return (spacy_finder() if parser == "auto" else None) or WordList()


def verb_nouns(instructions: Sequence[str], finder: Finder) -> VerbNouns:
    """Count verbs and objects; of more instructions than the finder can take, those of a draw with a fixed seed."""
    texts = list(instructions)
    if finder.most is not None and len(texts) > finder.most:
        texts = random.Random("verb-noun").sample(texts, finder.most)
    nouns: defaultdict[str, Counter[str]] = defaultdict(Counter)
    counts: Counter[str] = Counter()
    for found in finder.find(texts):
        if found.verb is not None:
            counts[found.verb] += 1
            if found.noun is not None:
                nouns[found.verb][found.noun] += 1
    ranked = sorted(nouns, key=lambda verb: (-nouns[verb].total(), verb))
    return VerbNouns(
        found_by=finder.name,
        records=len(instructions),
        parsed=len(texts),
        with_verb=counts.total(),
        with_noun=sum(found.total() for found in nouns.values()),
        distinct=sum(map(len, nouns.values())),
        verbs=tuple(Verb(verb, nouns[verb].total(), _most_frequent(nouns[verb])) for verb in ranked[:VERBS]),
    )


def _most_frequent(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:NOUNS])
