"""What a person reviews, in which order, and what the page is told about each record."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..core.errors import UsageError
from ..core.records import Record
from ..core.reviews import Content, Review, content_of, digest_of, standing
from ..journal.snapshot import Snapshot

ORDERS = ("uncertain", "random", "dataset")


@dataclass(frozen=True, slots=True)
class Item:
    """A record to review. content: its texts as a teacher wrote them. record: None if reviews rejected it before."""

    digest: str
    content: Content
    record: Record | None
    similarity: float
    doubt: float


def queue(snapshot: Snapshot, order: str = "uncertain", audit: int | None = None) -> list[Item]:
    """Return the records to review, in order; records that reviews have rejected earlier are among them.

    Args:
        snapshot: The run.
        order: 'uncertain' (near a limit first), 'random' (by the run's random seed), or 'dataset'.
        audit: The size of a random sample, which has an order of its own.

    Raises:
        UsageError: There is nothing to review.
    """
    reviews = snapshot.journal.reviews.all()
    contents = {each.digest: each.content for each in reviews}
    items = list[Item]()
    for record in snapshot.records:
        # An edited record is shown by what the teacher wrote, which its decisions are about.
        own = content_of(record)
        digest = record.reviewed.digest if record.reviewed else digest_of(own)
        nearest = record.novelty.nearest
        similarity = nearest.score if nearest else 0.0
        items.append(Item(digest, contents.get(digest, own), record, similarity, _doubt(snapshot, record)))
    there = {item.digest for item in items}
    held = standing(reviews)
    for digest, decisions in held.items():
        if digest not in there and any(each.verdict == "reject" for each in decisions):
            items.append(Item(digest, contents[digest], None, 0.0, 0.0))
    if not items:
        raise UsageError(f"{snapshot.run.path}: no record to review yet; run `selfinstruct generate` first")
    if audit is not None or order == "random":
        seed = snapshot.run.config.random_seed
        items.sort(key=lambda item: hashlib.sha256(f"{seed}:{item.digest}".encode()).digest())
        return items[:audit]
    return items if order == "dataset" else sorted(items, key=lambda item: -item.doubt)


def sample_name(snapshot: Snapshot, items: Sequence[Item], audit: int) -> str:
    """Return what names a random sample: its size, that of the run, and the seed that drew it."""
    return f"{min(audit, len(items)):,} records, seed {snapshot.run.config.random_seed}"


def _doubt(snapshot: Snapshot, record: Record) -> float:
    """Return how near the record came to a rejection, from 0 to 1: the nearest of all its checks counts."""
    limit = snapshot.run.config.max_similarity
    nearest = record.novelty.nearest
    doubts = [min(1.0, nearest.score / limit) if nearest and limit else 0.0]
    for example in record.examples:
        best = example.responses[0]
        if best.mark is not None:
            doubts.append(1 - (best.mark - 1) / 4)  # marks are 1 to 5
        if example.ground_truth is not None and example.ground_truth.by != "program":
            doubts.append(0.5)
        if others := [each for each in (*example.responses, *example.others) if each is not best]:
            doubts.append(sum(not each.passed for each in others) / len(others))
    return max(doubts)


def described(item: Item, decisions: Sequence[Review], reviewer: str, audit: str = "") -> dict[str, Any]:
    """Return what the page shows of an item, as JSON; its script makes invisible characters visible.

    decisions: those that hold about the item. What checks and other reviewers found is left out until the reviewer has
    decided; in a random sample, only decisions of that sample count.
    """
    mine = next((each for each in decisions if each.reviewer == reviewer and (not audit or each.audit == audit)), None)
    record = item.record
    first = record.examples[0] if record else None
    quotes = [asdict(each) for each in first.evidence] if first else []
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
        "evidence": quotes,
        "alternatives": alternatives,
        "decision": None if mine is None else _said(mine),
        "found": found,
    }


def _said(review: Review) -> dict[str, Any]:
    return {"verdict": review.verdict, "reasons": review.reasons, "note": review.note, "edit": review.edit}
