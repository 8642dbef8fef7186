"""Ends a run that brings too few records, and says why: which stage rejects what the teacher writes, and what to do.

The decision depends on the answers alone: a question is consumed only when it is known that the questions before it
brought enough records, or enough of their tasks are resolved to know.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from ..journal.folder import OpenRun
from .pool import Pool
from .reasoning_evidence import ONLY_REASONING

FIRST_LOOK, LONGEST_DROUGHT = 20, 50
"""Without any record, a generation ends after this many questions at its beginning, and later after this many."""

_LIMITS = "raise teacher.reasoning_tokens or the strategy's max_tokens"
_CUT = "raise the strategy's max_tokens or teacher.answer_within_s, or lower strategy.tasks_per_question"
_CAUSES = {
    ONLY_REASONING: ("ended with nothing but reasoning", f"{_LIMITS}, or lower teacher.reasoning_effort"),
    "truncated": ("were cut off", _CUT),
    "empty_answer": ("were empty", f"check the model and its endpoint, or {_LIMITS}"),
    "content_filter": ("were stopped by the provider's content filter", "use other seeds or another teacher"),
    "refusal": ("were refused by the model", "use other seeds or another teacher"),
    "answer_refusal": ("were refused by the model", "use other seeds or another teacher"),
    "unparsable": ("could not be read", "look at one with `selfinstruct explain`, or use a larger model"),
    "too_similar": ("were too similar to earlier ones", "add seeds or raise the temperature"),
    "wrong_answer": ("were wrong", "set answers: {samples: 4} to ask again, or use another teacher"),
    "no_agreement": ("have answers that differ too much", "lower answers.min_agreement, or use another teacher"),
    "low_score": ("got marks below judge.min_score", "lower judge.min_score, or use another teacher or judge"),
    "unjudged": ("got no readable marks", "use another judge, or set judge.min_score to null"),
}
_OTHER_REMEDY = (
    "change the option that docs/reference/reasons.md names, or your own check that gives this reason, or the teacher"
)


class YieldWatch:
    """Watches how many records the latest questions have brought.

    exhausted: why the run ends, with a remedy; None before. Yields before the current generation don't count, because
    other seeds or teachers made them.
    """

    def __init__(self, opened: OpenRun, pool: Pool) -> None:
        config = opened.configs[-1]
        self._pool, self._ledger, self._first = pool, opened.journal.ledger, opened.first_question
        self._window, self._least = config.min_yield_window, config.min_yield
        self.exhausted: str | None = None

    def may_go_on(self) -> bool | None:
        """Return whether the next question may be consumed; None while that depends on tasks in development."""
        if self.exhausted is not None:
            return False
        for window, least in self._rules():
            made = unresolved = 0
            for index in range(self._pool.answered[-window][1], len(self._pool.admitted)):
                task = self._pool.admitted[index]
                made += task.record is not None or task.rejected_in_review  # a person's taste is no sign of a drought
                unresolved += not task.resolved and task.record is None  # a record may wait for its vector
                if made >= least:
                    break
            else:
                if unresolved:
                    return None
                self.exhausted = self._why(window, made)
                return False
        return True

    def _rules(self) -> Iterator[tuple[int, float]]:
        """Yield how many of the latest questions must have brought how many records."""
        answered = self._pool.answered
        count = len(answered) - bisect_left(answered, (self._first, 0))
        if self._least > 0 and count >= FIRST_LOOK:
            yield min(count, LONGEST_DROUGHT), 1
        if count >= self._window:
            yield self._window, self._least * self._window

    def _why(self, window: int, made: int) -> str:
        """Describe the end: what the last questions brought, where most was lost, and the remedy."""
        rate = f"brought {made / window:.3f} records each, less than min_yield {self._least:g}" if made else ""
        brought = f"the last {window} questions {rate or 'brought no record'}"
        # The stage that let the smallest share pass: the answers, the filters and novelty, or what develops the tasks.
        counts = self._ledger.counts([question for question, _ in self._pool.answered[-window:]])
        stages = {
            "answers": {reason: n for (stage, reason), n in counts.items() if stage == "answer"},
            "proposed tasks": {reason: n for (stage, reason), n in counts.items() if stage in ("filter", "novelty")},
            "admitted tasks": {reason: n for (stage, reason), n in counts.items() if stage == "instance"},
        }
        admitted = counts.get(("admission", ""), 0)
        entered = {
            "answers": (window, window - sum(stages["answers"].values())),
            "proposed tasks": (admitted + sum(stages["proposed tasks"].values()), admitted),
            "admitted tasks": (admitted, made),
        }
        lossy = [name for name, (before, _) in entered.items() if before and stages[name]]
        if not lossy:
            return brought
        name = min(lossy, key=lambda name: entered[name][1] / entered[name][0])
        reason, count = max(stages[name].items(), key=lambda item: item[1])
        what, remedy = _CAUSES.get(reason, (f"were rejected as {reason!r}", _OTHER_REMEDY))
        return f"{brought}: {count} of {entered[name][0]} {name} {what}; {remedy}"
