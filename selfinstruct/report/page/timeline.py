"""Measure the yield of a run over its questions, and its totals over the time of work."""

from __future__ import annotations

from collections.abc import Mapping

from ...journal.snapshot import Snapshot
from .figures import Moment, Stretch

PAUSE_S = 600.0
"""A longer gap between two answers is a pause, and counts as this many seconds of work."""
# Maximum numbers of points in a chart.
_STRETCHES, _MOMENTS = 80, 200


def stretches(by_question: Mapping[int, tuple[int, int]]) -> tuple[Stretch, ...]:
    """Divide the questions into at most 80 stretches of equal size; the last may be shorter.

    by_question: maps the number of a question to its (proposed, admitted) tasks.
    """
    questions = sorted(by_question)
    size = max(1, -(-len(questions) // _STRETCHES))
    result = []
    for start in range(0, len(questions), size):
        part = questions[start : start + size]
        proposed, admitted = (sum(by_question[number][which] for number in part) for which in (0, 1))
        result.append(Stretch(part[-1], len(part), proposed, admitted))
    return tuple(result)


def moments(snapshot: Snapshot, by_question: Mapping[int, tuple[int, int]]) -> tuple[Moment, ...]:
    """Return about 200 points over the run's own answers, in the order of their arrival."""
    rows = snapshot.arrivals()
    step = max(1, -(-len(rows) // _MOMENTS))
    result: list[Moment] = []
    seconds, admitted, requests, tokens = 0.0, 0, 0, 0
    cost: float | None = 0.0
    before = rows[0][0] if rows else 0.0
    for number, (arrived, question, sent, used, dollars, failed) in enumerate(rows, 1):
        seconds += min(max(arrived - before, 0.0), PAUSE_S)
        before = arrived
        admitted += by_question.get(question, (0, 0))[1] if question is not None else 0
        requests, tokens = requests + sent, tokens + used
        # One answer without a price makes all later totals unknown; a failed request costs nothing.
        if dollars is None and not failed:
            cost = None
        elif cost is not None:
            cost += dollars or 0.0
        if number % step == 0 or number in (1, len(rows)):
            result.append(Moment(seconds, admitted, requests, tokens, cost))
    return tuple(result)
