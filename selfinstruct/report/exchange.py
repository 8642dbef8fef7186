"""Reviews by people who don't have this program: one file out, one JSON file back in.

`exported` writes records as a page that opens from disk, or as the records of Argilla or the tasks of Label Studio;
`decisions_in` reads what any of the three saves. `selfinstruct review --export` and `--import` use this module.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from markupsafe import Markup

from ..core.errors import UsageError
from ..core.reviews import REASONS, Content, checked_name
from .review_server import Reviewing, review_page

MOST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision in a file. given: as the page sends it, with `answer` where only the first answer was edited.

    reviewer: the name that the file gives; at: seconds of the epoch, or 0. Both as the file has them.
    """

    reviewer: str
    given: dict[str, Any]
    audit: str
    at: float


def exported(kind: str, reviewing: Reviewing) -> str:
    """Return the text of a file with the records to review. kind: a key of `KINDS`."""
    return KINDS[kind](reviewing)


def _html(reviewing: Reviewing) -> str:
    items = [item | {"decision": None, "found": {}} for item in reviewing.shown()]
    # '<' would let a text end the element.
    data = json.dumps(items, ensure_ascii=False).replace("<", "\\u003c")
    return review_page(reviewing.page | {"offline": Markup(data)})  # noqa: S704


def _argilla(reviewing: Reviewing) -> str:
    records = [
        {
            "id": item["digest"],
            "fields": _texts(item["content"]),
            "metadata": {"task_id": item["id"], "audit": reviewing.audit},
            "suggestions": {"edit": {"value": _texts(item["content"])["answer"], "score": None, "agent": None}},
            "responses": {},
            "vectors": {},
        }
        for item in reviewing.shown()
    ]
    return json.dumps(records, ensure_ascii=False, indent=1) + "\n"


def _label_studio(reviewing: Reviewing) -> str:
    tasks = [
        {"data": _texts(item["content"]) | {"digest": item["digest"], "task_id": item["id"], "audit": reviewing.audit}}
        for item in reviewing.shown()
    ]
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


KINDS: Mapping[str, Callable[[Reviewing], str]] = {"html": _html, "argilla": _argilla, "label-studio": _label_studio}


def setup_of(kind: str) -> str:
    """Return what the other program must be told: Argilla's settings in Python, Label Studio's labeling interface."""
    if kind == "argilla":
        return f"""import argilla as rg

settings = rg.Settings(
    fields=[rg.TextField("task"), rg.TextField("answer")],
    questions=[
        rg.LabelQuestion("verdict", labels=["accept", "reject"]),
        rg.MultiLabelQuestion("reasons", labels={json.dumps(list(REASONS))}, required=False),
        rg.TextQuestion("edit", required=False),
        rg.TextQuestion("note", required=False),
    ],
)
dataset = rg.Dataset("review", settings=settings, client=rg.Argilla(api_url=..., api_key=...)).create()
dataset.records.from_json("FILE")
# When the records are reviewed:
dataset.records.to_json("reviewed.json")"""
    if kind == "label-studio":
        reasons = "".join(f"\n    <Choice value={quoteattr(name)}/>" for name in REASONS)
        return f"""<View>
  <Header value="Task"/>
  <Text name="task" value="$task"/>
  <Header value="Answer"/>
  <Text name="answer" value="$answer"/>
  <Choices name="verdict" toName="answer" choice="single" required="true" showInline="true">
    <Choice value="accept" hotkey="a"/>
    <Choice value="reject" hotkey="r"/>
  </Choices>
  <Choices name="reasons" toName="answer" choice="multiple" visibleWhen="choice-selected" whenTagName="verdict"
    whenChoiceValue="reject">{reasons}
  </Choices>
  <Header value="A better answer"/>
  <TextArea name="edit" toName="answer" value="$answer" maxSubmissions="1" editable="true" rows="6"/>
  <Header value="Note"/>
  <TextArea name="note" toName="answer" maxSubmissions="1"/>
</View>"""
    return ""


def decisions_in(path: Path) -> list[Decision]:
    """Return the decisions in a file that the exported page, Argilla, or Label Studio has saved, in order.

    Raises UsageError if it is none of them.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"--import {path}: larger than {MOST_BYTES >> 20} MiB; check the file's name")
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"--import {path}: can't be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise UsageError(
            f"--import {path}: is no JSON; name the file that the page or the other program saved"
        ) from None
    try:
        match value:
            case {"decisions": [*decisions], "reviewer": str(reviewer)}:
                return [_of_page(each, reviewer, str(value.get("audit") or "")) for each in decisions]
            case [{"fields": _, "responses": _}, *_]:
                return [decision for each in value for decision in _of_argilla(each)]
            case [{"data": _}, *_]:
                return [decision for each in value for decision in _of_label_studio(each)]
    except (KeyError, TypeError, AttributeError, ValueError, IndexError):
        pass
    kinds = "the exported page, Argilla's records.to_json, or Label Studio's JSON"
    raise UsageError(f"--import {path}: has no decisions as {kinds} saves them")


def _of_page(given: dict[str, Any], reviewer: str, audit: str) -> Decision:
    at = given.get("at")
    is_time = isinstance(at, int | float) and math.isfinite(at) and at > 0
    return Decision(reviewer, {**given}, audit, float(at) if is_time and at is not None else 0.0)


def _of_argilla(record: dict[str, Any]) -> Iterator[Decision]:
    """Yield one decision of each user.

    {"responses": {"verdict": [{"value": "reject", "user_id": "..."}], ...}, ...}
    """
    said: dict[str, dict[str, Any]] = {}
    for question, responses in record["responses"].items():
        for each in responses:
            said.setdefault(str(each["user_id"]), {})[question] = each["value"]
    audit = str((record.get("metadata") or {}).get("audit") or "")
    for user, answers in said.items():
        if "verdict" in answers:
            yield _of_form(record["id"], user, answers, audit)


def _of_label_studio(task: dict[str, Any]) -> Iterator[Decision]:
    """Yield one decision of each annotation.

    {"annotations": [{"completed_by": 1, "result": [{"from_name": "verdict", "value": {"choices": ["accept"]}}]}], ...}
    """
    for annotation in task.get("annotations") or ():
        values = {each["from_name"]: each["value"] for each in annotation["result"]}
        answers: dict[str, Any] = {
            "verdict": values["verdict"]["choices"][0] if "verdict" in values else None,
            "reasons": values.get("reasons", {}).get("choices"),
        }
        answers |= {name: "\n".join(values[name]["text"]) for name in ("edit", "note") if name in values}
        if answers["verdict"] is not None and not annotation.get("was_cancelled"):
            by = annotation.get("completed_by")
            user = by.get("email") or by["id"] if isinstance(by, Mapping) else by
            yield _of_form(task["data"]["digest"], str(user), answers, str(task["data"].get("audit") or ""))


def _of_form(digest: str, user: str, answers: Mapping[str, Any], audit: str) -> Decision:
    given = {"digest": digest, "verdict": answers["verdict"], "note": answers.get("note") or ""}
    given |= {"reasons": list(answers.get("reasons") or ()), "answer": answers.get("edit")}
    return Decision(user, given, audit, 0.0)


def _texts(content: Content) -> dict[str, str]:
    """Return a record as two texts. Further instances, which only the page can edit, are part of the task."""
    first, *others = content["examples"]
    speakers = {"user": "User", "assistant": "Assistant", "system": "System"}
    single = len(first["messages"]) == 1
    turns = [text if single else f"{speakers.get(role, role)}: {text}" for role, text in first["messages"]]
    more = [f"Another input and its answer:\n{each['input'] or ''}\n{each['answer']}" for each in others]
    return {"task": "\n\n".join(turns + more), "answer": first["answer"]}


def imported(path: Path, reviewing: Reviewing, reviewer: str | None = None) -> tuple[int, int]:
    """Store the decisions of a file; return how many are new, and how many are about records that the run hasn't.

    Args:
        path: The file; see `decisions_in`.
        reviewing: The run, with all its records.
        reviewer: Who decided; None for the name that the file gives.

    Raises:
        UsageError: Not such a file, a wrong decision, or one name for several people; nothing is stored then.
    """
    decisions = decisions_in(path)
    names = dict.fromkeys(each.reviewer for each in decisions)
    if reviewer is not None and len(names) > 1:
        raise UsageError(f"--reviewer {reviewer}: {path} has decisions of several people: {', '.join(names)}")
    known = [each for each in decisions if each.given.get("digest") in reviewing.items]
    reviews = []
    for number, each in enumerate(known, 1):
        given, item = dict(each.given), reviewing.items[each.given["digest"]]
        answer = given.pop("answer", None)
        old = item.content["examples"][0]["answer"]
        if given.get("verdict") == "accept" and isinstance(answer, str) and answer.strip() not in ("", old.strip()):
            first, *others = item.content["examples"]
            given["edit"] = {**item.content, "examples": [{**first, "answer": answer}, *others]}
        try:
            review = reviewing.review_of(given, checked_name(reviewer or each.reviewer))
        except UsageError as error:
            raise UsageError(f"--import {path}: decision {number}: {error}; nothing was stored") from None
        reviews.append(replace(review, audit=each.audit, at=each.at))
    return reviewing.add_new(reviews), len(decisions) - len(known)
