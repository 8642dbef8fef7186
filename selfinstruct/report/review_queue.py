"""What a person reviews, in which order, and what the page is told about each record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..config.sections import JudgeConfig
from ..core.counted import counted
from ..core.documents import Passage, Quote, holds
from ..core.records import Record
from ..core.reviews import Content, Review, content_of, digest_of, standing
from ..journal.snapshot import Snapshot

AGREEMENT = "agreement"
"""The mark of an answer that says which share of the answers agrees with it, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Item:
    """A record to review.

    Attributes:
        content: Its texts as a teacher wrote them.
        record: None if reviews rejected it before.
        similarity: ROUGE-L F to the nearest text.
        doubt: How near it came to a rejection, 0 to 1.
        passages: The passages of documents that its question was made from.
    """

    digest: str
    content: Content
    record: Record | None
    similarity: float = 0.0
    doubt: float = 0.0
    passages: tuple[Passage, ...] = ()


def queue(snapshot: Snapshot, order: str = "uncertain", audit: int | None = None) -> list[Item]:
    """Return the records to review, in order; records that reviews have rejected earlier are among them.

    Args:
        snapshot: The run.
        order: 'uncertain' (near a limit first), 'random' (by the run's random seed), or 'dataset'.
        audit: The size of a random sample, which has an order of its own.
    """
    config, reviews = snapshot.run.config, snapshot.journal.reviews.all()
    contents = {each.digest: each.content for each in reviews}
    items = list[Item]()
    made_of = snapshot.made_of() if snapshot.passages else {}
    for record in snapshot.records:
        # An edited record is shown by what the teacher wrote, which its decisions are about.
        own = content_of(record)
        digest = record.reviewed.digest if record.reviewed else digest_of(own)
        nearest = record.novelty.nearest
        similarity = nearest.score if nearest else 0.0
        doubt = doubt_of(record, config.max_similarity, config.judge)
        ids = made_of[record.question].passages if record.question in made_of else ()
        passages = tuple(snapshot.passages[id] for id in ids if id in snapshot.passages)
        items.append(Item(digest, contents.get(digest, own), record, similarity, doubt, passages))
    there = {item.digest for item in items}
    held = standing(reviews)
    for digest, decisions in held.items():
        if digest not in there and any(each.verdict == "reject" for each in decisions):
            items.append(Item(digest, contents[digest], None))
    if audit is not None or order == "random":
        seed = snapshot.run.config.random_seed
        items.sort(key=lambda item: hashlib.sha256(f"{seed}:{item.digest}".encode()).digest())
        return items[:audit]
    return items if order == "dataset" else sorted(items, key=lambda item: -item.doubt)


def sample_name(snapshot: Snapshot, items: Sequence[Item], audit: int) -> str:
    """Return what names a random sample: its size, that of the run, and the seed that drew it."""
    return f"{counted(min(audit, len(items)), 'record')}, seed {snapshot.run.config.random_seed}"


def doubt_of(record: Record, limit: float, judge: JudgeConfig | None) -> float:
    """Return how near a record came to a rejection, from 0 to 1: the nearest of all its checks counts.

    limit: the greatest similarity of two tasks.
    """
    nearest = record.novelty.nearest
    doubts = [min(1.0, nearest.score / limit) if nearest and limit else 0.0]
    for example in record.examples:
        best = example.responses[0]
        # The share of the answers that agree is 0 to 1, a judge's mark is 1 to 5.
        marks = dict(best.marks)
        doubts.append(1 - marks.pop(AGREEMENT, 1.0))
        doubts += [1 - (mark - 1) / 4 for mark in marks.values()]
        others = [each for each in (*example.responses, *example.others) if each is not best]
        doubts.append(_share(not each.passed for each in others))
        if judge is not None and judge.compare:
            # A judge that prefers whichever answer it reads first can't tell them apart.
            compared = [each for each in example.responses if each.text != best.text]
            doubts.append(_share(each.sample not in best.beats for each in compared))
    return max(doubts)


def _share(found: Iterable[bool]) -> float:
    """Return the share of true values; 0 without values."""
    values = list(found)
    return sum(values) / max(len(values), 1)


def _shown_passage(passage: Passage, quotes: Iterable[Quote]) -> dict[str, Any]:
    """Return what the page shows of a passage. parts: its text in parts, each with whether a quote covers it."""
    parts, at = list[tuple[str, bool]](), 0
    for start, end in sorted((each.start - passage.start, each.end - passage.start) for each in quotes):
        parts += [(passage.text[at:start], False), (passage.text[max(at, start) : end], True)]
        at = max(at, end)
    parts.append((passage.text[at:], False))
    return {
        "document": passage.document,
        "headings": [*filter(None, [passage.title]), *passage.headings],
        "page": passage.page_of(passage.start),
        "parts": [part for part in parts if part[0]],
    }


def described(item: Item, decisions: Sequence[Review], reviewer: str, audit: str = "") -> dict[str, Any]:
    """Return what the page shows of an item, as JSON; its script makes invisible characters visible.

    decisions: those that hold about the item. What checks and other reviewers found is left out until the reviewer has
    decided; in a random sample, only decisions of that sample count.
    """
    mine = next((each for each in decisions if each.reviewer == reviewer and (not audit or each.audit == audit)), None)
    record = item.record
    first = record.examples[0] if record else None
    quotes = first.evidence if first else ()
    passages = [_shown_passage(each, (quote for quote in quotes if holds(each, quote))) for each in item.passages]
    loose = [asdict(quote) for quote in quotes if not any(holds(each, quote) for each in item.passages)]
    answer = item.content["examples"][0]["answer"]
    alternatives = [each.text for each in first.responses if each.text != answer] if first else []
    found = {}
    if mine is not None and record is not None and first is not None:
        best = first.responses[0]
        found = {
            "marks": dict(best.marks),
            "verdicts": {name: each.detail or each.reason or "ok" for name, each in best.verdicts.items()},
            "similarity": item.similarity,
            "nearest": record.novelty.nearest.id if record.novelty.nearest else "",
            "others": [f"{each.reviewer}: {each.verdict}" for each in decisions if each.reviewer != reviewer],
        }
    return {
        "digest": item.digest,
        "id": f"q{record.question}.{record.index}" if record else "rejected",
        "content": item.content,
        "passages": passages,
        "quotes": loose,
        "alternatives": alternatives,
        "decision": None if mine is None else _said(mine),
        "found": found,
    }


def _said(review: Review) -> dict[str, Any]:
    return {"verdict": review.verdict, "reasons": review.reasons, "note": review.note, "edit": review.edit}
