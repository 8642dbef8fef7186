"""Select the tasks of a run by outcome, reason, topic, and words, for `selfinstruct list`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from ..journal.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class ListedTask:
    """A task that was read from an answer.

    Attributes:
        id: Such as 'q17.3', which `explain` takes.
        outcome: 'record' or 'refused'.
        stage, reason: What refused it; None otherwise.
        input, output: The first example of a record; None otherwise.
        facets: What its question asked for, by facet.
    """

    id: str
    outcome: str
    stage: str | None
    reason: str | None
    instruction: str
    input: str | None
    output: str | None
    facets: dict[str, str]


def list_tasks(
    snapshot: Snapshot, *, refused: bool = False, reason: str | None = None, topic: str = "", text: str = ""
) -> Iterator[ListedTask]:
    """Yield the records of a run, or its refused tasks, in the order of the questions.

    Args:
        snapshot: The run.
        refused: Yield refused tasks instead of records.
        reason: Only tasks that were refused for this reason.
        topic: Only tasks whose question asked for a value of a facet that contains this text, in any case.
        text: Only tasks that contain each of these words, in any case.
    """
    records = {(each.question, each.index): each for each in snapshot.records}
    made_of, words = snapshot.made_of(), text.casefold().split()
    verdicts = sorted(snapshot.verdicts_on_tasks(), key=lambda each: (each.question, each.idx))
    for (question, index), group in groupby(verdicts, lambda each: (each.question, each.idx)):
        found, record = list(group), records.get((question, index))
        # The verdict of the last stage decides; an instance may be refused while others are kept.
        last = next((each for each in reversed(found) if each.reason is not None), None) if record is None else None
        if refused != (last is not None) or (not refused and record is None):
            continue
        task = ListedTask(
            id=f"q{question}.{index}",
            outcome="record" if record else "refused",
            stage=last.stage if last else None,
            reason=last.reason if last else None,
            instruction=record.instruction if record else found[0].instruction,
            input=record.examples[0].given if record else None,
            output=record.examples[0].output if record else None,
            facets=dict(made_of[question].facets) if question in made_of else {},
        )
        whole = f"{task.instruction}\n{task.input or ''}\n{task.output or ''}".casefold()
        if (
            (reason is None or task.reason == reason)
            and (not topic or any(topic.casefold() in value.casefold() for value in task.facets.values()))
            and all(word in whole for word in words)
        ):
            yield task
