"""What the tasks of datasets ask for: how often each verb is asked for, and what readers kept of it.

A dataset that is worse as a whole may be so in one kind of task only, and one that is better may have left the hard
kinds out. The command `worth` prints both next to each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..core.reviews import Content
from ..dataset.linguistics import finder_for, suited
from .arms import Arm
from .blind_reading import BlindRow, Grade

MOST = 8
"""Verbs to show."""
ANOTHER, QUESTION, NOTHING = "(another verb)", "(a question)", "(no verb found)"


@dataclass(frozen=True, slots=True)
class Topic:
    """Tasks that ask for the same.

    name: their verb, or one of the three groups of the rest. shares: their share of each dataset's tasks, 0 to 1.
    kept: by dataset, how many a reader graded, and how many of these the reader kept.
    """

    name: str
    shares: Mapping[str, float]
    kept: Mapping[str, tuple[int, int]]

    @property
    def cells(self) -> list[str]:
        """One text for each dataset, such as '24% (12 of 15)'."""
        return [
            ("<1%" if 0 < share < 0.005 else f"{share:.0%}")
            + (f" ({self.kept[name][1]} of {self.kept[name][0]})" if self.kept[name][0] else "")
            for name, share in self.shares.items()
        ]


def topics_of(arms: Sequence[Arm], rows: Sequence[BlindRow], grades: Mapping[str, Grade]) -> list[Topic]:
    """Return the verbs that are frequent in any of the datasets, most frequent first, and then the rest.

    Args:
        arms: The datasets.
        rows: Those that were drawn to be read.
        grades: One reader's, by digest; may be empty.
    """
    languages = {each.name: each.language for each in arms}
    counts = {each.name: Counter(_asked_for(each.contents, each.language)) for each in arms}
    highest = {
        verb: max(each[verb] / each.total() for each in counts.values()) for each in counts.values() for verb in each
    }
    verbs = sorted(highest.keys() - {QUESTION, NOTHING}, key=lambda verb: (-highest[verb], verb))
    groups = {verb: [verb] for verb in verbs[:MOST]} | {ANOTHER: verbs[MOST:], QUESTION: [QUESTION], NOTHING: [NOTHING]}

    kept = {name: [Counter[str](), Counter[str]()] for name in languages}  # how many were graded, and how many kept
    for row in rows:
        for name in row.sources if row.digest in grades else ():
            [verb] = _asked_for([row.content], languages[name])
            kept[name][0][verb] += 1
            kept[name][1][verb] += grades[row.digest].keep

    topics = [
        Topic(
            group,
            {name: sum(each[verb] for verb in members) / each.total() for name, each in counts.items()},
            {name: _sums(kept[name], members) for name in languages},
        )
        for group, members in groups.items()
    ]
    return [each for each in topics if any(each.shares.values())]


def _sums(kept: Sequence[Counter[str]], members: Sequence[str]) -> tuple[int, int]:
    graded, those_kept = (sum(each[verb] for verb in members) for each in kept)
    return graded, those_kept


def _asked_for(contents: Sequence[Content], language: str) -> Iterator[str]:
    """Yield the verb of each task, or the group of a task in which none is found, such as most questions."""
    texts = [str(each["instruction"]) for each in contents]
    for text, found in zip(texts, suited(finder_for("word-list"), language).find(texts), strict=True):
        yield found.verb or (QUESTION if text.partition("\n\n")[0].rstrip()[-1:] in "?？" else NOTHING)
