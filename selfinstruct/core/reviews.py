"""What people decide about records, and what a record becomes by it. `journal` stores reviews, `generate` applies them.

A review is keyed by the digest of what it judges: the texts of a record as a teacher wrote it. So it holds wherever
these texts come up again (a replay, a fork, a refilter), and a record with other texts is presented again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .errors import UsageError
from .prompts import Message
from .records import Example, Record, Response, Reviewed, user_text
from .tasks import Verdict, storable

Content = dict[str, Any]
"""The texts of a record: {"instruction": ..., "examples": [{"messages": [[role, text], ...], "input": ...,
"answer": ...}, ...]}."""

REASONS = {
    "invalid_instruction": "The instruction is no valid task.",
    "unsuitable_input": "The input does not suit the instruction.",
    "wrong_output": "The output is no correct and acceptable response.",
    "unwanted": "Another reason, which the note says.",
}
"""Why a person rejects a record. The first three are the questions of Wang et al. 2022 (table 2), answered with no."""
QUESTIONS = tuple(REASONS)[:3]
MOST_NAME = 40
_Z = 1.96
# 95% of a normal distribution lie within this many standard deviations.


@dataclass(frozen=True, slots=True)
class Review:
    """One decision of a person.

    Attributes:
        digest: Of the record's texts; see `digest_of`.
        reviewer: The name that the person goes by.
        verdict: 'accept', 'reject', or 'undo', which takes back the reviewer's last decision on the same record.
        reasons: Keys of `REASONS`, for a rejection.
        note: The reviewer's own words.
        edit: The texts to put in place of the record's; None to leave them.
        content: The texts that the reviewer saw.
        audit: The random sample that the record was reviewed in, such as '200 of 600, seed 42'; empty otherwise.
        at: Seconds of the epoch.
    """

    digest: str
    reviewer: str
    verdict: str
    content: Content
    reasons: tuple[str, ...] = ()
    note: str = ""
    edit: Content | None = None
    audit: str = ""
    at: float = 0.0

    @property
    def all_valid(self) -> bool:
        """Whether the reviewer found nothing wrong, so that the texts stay as they are."""
        return self.verdict == "accept" and self.edit is None


def content_of(record: Record) -> Content:
    """Return the texts of a record that a review judges: its prompts and its answers, without the alternatives."""
    examples = [
        {
            "messages": [[each.role, each.content] for each in example.messages],
            "input": example.input,
            "answer": example.output,
        }
        for example in record.examples
    ]
    return {"instruction": record.instruction, "examples": examples}


def digest_of(content: Content) -> str:
    """Return 32 hex digits of the SHA-256 of a record's texts."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def standing(reviews: Iterable[Review]) -> dict[str, list[Review]]:
    """Return the decisions that hold, by digest and in the order in which they were made: one of each reviewer."""
    made: dict[str, dict[str, list[Review]]] = {}
    order: dict[int, int] = {}
    for number, review in enumerate(reviews):
        stack = made.setdefault(review.digest, {}).setdefault(review.reviewer, [])
        if review.verdict != "undo":
            stack.append(review)
            order[id(review)] = number
        elif stack:
            stack.pop()
    held = {digest: [stack[-1] for stack in by.values() if stack] for digest, by in made.items()}
    return {digest: sorted(each, key=lambda one: order[id(one)]) for digest, each in held.items() if each}


def apply(record: Record, reviews: Sequence[Review]) -> Record | Verdict:
    """Return what a record becomes by the decisions that hold about it.

    One rejection rejects it; the last edit replaces its texts.
    """
    for review in reviews:
        if review.verdict == "reject":
            detail = "; ".join(filter(None, [", ".join(review.reasons[1:]), review.note]))
            return Verdict(next(iter(review.reasons), "unwanted"), f"{review.reviewer}: {detail}".rstrip(": "))
    edit, editor = next(((each.edit, each.reviewer) for each in reversed(reviews) if each.edit is not None), (None, ""))
    by = tuple(each.reviewer for each in reviews)
    if edit is None:
        return replace(record, reviewed=Reviewed(reviews[0].digest, by))
    examples = tuple(_edited(each, new) for each, new in zip(record.examples, edit["examples"], strict=True))
    edited = replace(record, instruction=edit["instruction"], examples=examples)
    # The choice of an alternative is the teacher's text still.
    written = {each.text for example in record.examples for each in example.responses}
    own = any(each.output not in written for each in examples) or _prompts(edited) != _prompts(record)
    return replace(edited, reviewed=Reviewed(reviews[0].digest, by, editor if own else ""))


def _edited(example: Example, new: Mapping[str, Any]) -> Example:
    messages = tuple(Message(role, text) for role, text in new["messages"])
    # What a program knows about a task isn't known about another one.
    truth = example.ground_truth if messages == example.messages else None
    example = replace(example, messages=messages, input=new["input"], ground_truth=truth)
    if new["answer"] == example.output:
        return example
    # No check and no judge has read a text of a person, and its reasoning is gone. A person prefers it to the others.
    best = example.responses[0]
    found = next((each for each in example.responses if each.text == new["answer"]), None)
    answer = found or Response(new["answer"], best.teacher, best.sample, best.key)
    others = tuple(each for each in example.responses if each.sample != answer.sample)
    return replace(example, responses=(replace(answer, beats=tuple(each.sample for each in others)), *others))


def _prompts(record: Record) -> tuple[str, list[tuple[Message, ...]]]:
    return record.instruction, [each.messages for each in record.examples]


def checked_edit(edit: Any, content: Content) -> Content:
    """Return an edit as it is stored; its prompt of a single turn is built from instruction and input.

    Raises UsageError if it hasn't the form of `content`, has other turns, or leaves a text empty.
    """
    try:
        instruction, examples = storable(edit["instruction"]), list[Content]()
        for new, old in zip(edit["examples"], content["examples"], strict=True):
            messages = [[role, storable(text)] for role, text in new["messages"]]
            given = None if old["input"] is None else storable(new["input"])
            if given is not None:
                messages = [["user", user_text(instruction, given)]]
            elif old["messages"][0][1] == content["instruction"]:  # a dialogue begins with its instruction
                instruction = messages[0][1]
            if [role for role, _ in messages] != [role for role, _ in old["messages"]]:
                raise ValueError
            examples.append({"messages": messages, "input": given, "answer": storable(new["answer"])})
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UsageError("edit: must have the instruction, turns, inputs, and answers of the record") from None
    texts = [instruction, *(each["answer"] for each in examples)]
    if not all(text.strip() for text in [*texts, *(text for each in examples for _, text in each["messages"])]):
        raise UsageError("edit: instruction, turns, and answer must not be empty")
    return {"instruction": instruction, "examples": examples}


def checked_name(name: str) -> str:
    """Return the name of a reviewer or reader. Raises UsageError if it is empty, too long, or unprintable."""
    name = name.strip()
    if not name or len(name) > MOST_NAME or not name.isprintable():
        raise UsageError(f"the name of a reviewer or reader needs 1 to {MOST_NAME} printable characters")
    return name


# --- figures -----------------------------------------------------------------------------------


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95% confidence interval of a share, 0 to 1, of `count` cases.

    The Wilson score interval (1927), which stays within 0 and 1 for small n and extreme p.
    """
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def cohens_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Return Cohen's kappa (1960) of two people's verdicts; None without pairs, or if chance alone agrees always."""
    if not pairs:
        return None
    n = len(pairs)
    agreed = sum(first == second for first, second in pairs) / n
    first, second = sum(each for each, _ in pairs) / n, sum(each for _, each in pairs) / n
    chance = first * second + (1 - first) * (1 - second)
    return None if chance == 1 else (agreed - chance) / (1 - chance)


@dataclass(frozen=True, slots=True)
class Audit:
    """What a random sample of the records showed. sample: its size and seed. by: each reviewer's valid, by digest."""

    sample: str
    by: Mapping[str, Mapping[str, Review]]

    @property
    def lines(self) -> list[str]:
        """The share of each reviewer with its 95% interval, and the agreement of each two reviewers."""
        lines = []
        for name, reviews in self.by.items():
            valid = sum(each.all_valid for each in reviews.values())
            low, high = wilson_interval(valid / len(reviews), len(reviews))
            failed = Counter(reason for each in reviews.values() for reason in each.reasons)
            found = "".join(f", {failed[reason]} {reason}" for reason in REASONS if failed[reason])
            share = f"{valid / len(reviews):.1%} (95% interval {low:.1%} to {high:.1%})"
            lines.append(f"{name}: {valid} of {len(reviews)} all valid, {share}{found}; sample of {self.sample}")
        for one, other in itertools.combinations(self.by, 2):
            mine, theirs = self.by[one], self.by[other]
            both = [(mine[each].all_valid, theirs[each].all_valid) for each in mine if each in theirs]
            if both:
                kappa = cohens_kappa(both)
                agreed = sum(first == second for first, second in both)
                value = "undefined" if kappa is None else f"{kappa:.2f}"
                lines.append(f"{one} and {other} agree on {agreed} of {len(both)}, Cohen's kappa {value}")
        return lines


def audits_of(reviews: Iterable[Review]) -> list[Audit]:
    """Return what each random sample showed, by the decisions that hold, in the order of their first decisions."""
    made: dict[str, dict[str, dict[str, Review]]] = {}
    for digest, held in standing(reviews).items():
        for each in held:
            if each.audit:
                made.setdefault(each.audit, {}).setdefault(each.reviewer, {})[digest] = each
    return [Audit(sample, by) for sample, by in made.items()]
