"""What the answers of a run have shown about their teachers' reasoning, and how an answer is read in this light.

Some teachers' answers begin inside reasoning, because the chat template opens it. When the token limit cuts such an
answer off, nothing in the answer says that it is no more than reasoning. Other teachers reason out of sight and need
room for it in every token limit. Other answers of the same run show both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.prompts import Completion, Prompt, ending_of
from ..core.reasoning import split_reasoning
from ..journal.answer_values import Answer

ROOM, SMALL = 2_048, 1_024
"""Tokens added for a teacher that reasons, unless `teacher.reasoning_tokens` is set, and the largest limit that they
are added to. With a larger limit, prompt and answer might no longer fit into the context of a small server."""
ONLY_REASONING = "only_reasoning"
AHEAD = 8
"""Questions in which to look for evidence on an answer that was cut off."""
_SLACK = 16
"""Tokens of an answer that need not be visible, such as those that end it."""
# How an answer begins that consists of tasks from its first line on: '### 4', '9. Plan ...', '{', '```'.
_TASKS = re.compile(r"\s*(?:#|\{|\[|```|0*(?:[2-9]|[1-9]\d+)[.)、])")


@dataclass(frozen=True)
class Evidence:
    """What is known after some questions, as names of teachers.

    inside: teachers whose answers begin inside reasoning. whole: teachers of whom a complete answer is known, so that
    `inside` is known, too. reason: teachers that reason before they answer.
    """

    inside: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    reason: frozenset[str] = frozenset()

    def after(self, answer: Answer) -> Evidence:
        """Return what is known after one more answer."""
        completion, name = answer.completion, frozenset((answer.teacher,))
        inside = self.inside | name if answer.begins_inside else self.inside
        complete = completion.error is None and not completion.truncated
        whole = self.whole | name if complete or answer.begins_inside else self.whole
        reasons = self.reason | name if completion.reasoning or is_only_reasoning(completion) else self.reason
        same = (inside, whole, reasons) == (self.inside, self.whole, self.reason)
        return self if same else Evidence(inside, whole, reasons)

    def needs_more(self, answer: Answer) -> bool:
        """Return whether only later answers can tell if `answer` is more than reasoning."""
        completion = answer.completion
        if answer.begins_inside or not completion.truncated or completion.error is not None or completion.reasoning:
            return False
        return answer.teacher not in self.whole and _TASKS.match(completion.text) is None

    def with_later(self, answer: Answer, later: Sequence[Answer]) -> Evidence:
        """Return what is known once the first complete one of the `later` answers by the same teacher is, too."""
        for each in later:
            known = Evidence().after(each)
            if each.teacher == answer.teacher and known.whole:
                return Evidence(self.inside | known.inside, self.whole | known.whole, self.reason)
        return self

    def read(self, answer: Answer) -> Completion:
        """Return the completion of an answer; one that is nothing but reasoning has the error 'only_reasoning'."""
        completion = answer.completion
        cut = completion.truncated and completion.error is None and not answer.begins_inside
        if cut and answer.teacher in self.inside and not completion.reasoning:
            reasoning, text = split_reasoning(completion.text, prefilled=True)
            completion = replace(completion, text=text, reasoning=reasoning)
        if is_only_reasoning(completion) and not (completion.error or "").startswith(ONLY_REASONING):
            error = f"{ONLY_REASONING}: no answer; finish reason {completion.finish_reason!r}"
            return replace(completion, error=error)
        return completion


NOTHING = Evidence()


def is_only_reasoning(completion: Completion) -> bool:
    """Return whether an answer ended before its visible part began; the reasoning itself may be hidden."""
    error = completion.error or ""
    empty = not completion.text.strip() and error in ("", "empty_answer")
    return error.startswith(ONLY_REASONING) or (
        empty and (bool(completion.reasoning) or ending_of(completion.finish_reason) == "length")
    )


def shows_reasoning(completion: Completion) -> bool:
    """Return whether the journaled answer to a probe shows that its teacher reasons, even out of sight."""
    usage, visible = completion.usage, len(completion.text.encode()) + _SLACK
    hidden = not completion.failed and not usage.partial and usage.completion_tokens > visible
    return bool(completion.reasoning) or is_only_reasoning(completion) or hidden


def usual_room(prompt: Prompt) -> int:
    """Return the tokens to add to a prompt's limit for a teacher that is known to reason."""
    limit = prompt.sampling.max_tokens
    return ROOM if limit is not None and limit <= SMALL else 0


def with_room(prompt: Prompt, tokens: int | None) -> Prompt:
    """Return the prompt with so many more tokens in its limit, if it has one."""
    limit = prompt.sampling.max_tokens
    if not tokens or limit is None:
        return prompt
    return replace(prompt, sampling=replace(prompt.sampling, max_tokens=limit + tokens))
