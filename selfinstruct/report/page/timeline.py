"""A run over its questions and over the time that was worked on it."""

from __future__ import annotations

from collections.abc import Mapping

from ...journal.snapshot import Snapshot
from .figures import Moment, Stretch

PAUSE_S = 600.0
"""Between two answers further apart than this nobody worked on the run; so much of the time between counts."""
_STRETCHES, _MOMENTS = 80, 200


def stretches(by_question: Mapping[int, tuple[int, int]]) -> tuple[Stretch, ...]:
    """At most 80 stretches of equally many questions each; the last may be shorter."""
    questions = sorted(by_question)
    size = max(1, -(-len(questions) // _STRETCHES))
    found = []
    for start in range(0, len(questions), size):
        part = questions[start : start + size]
        proposed, admitted = (sum(by_question[number][which] for number in part) for which in (0, 1))
        found.append(Stretch(part[-1], len(part), proposed, admitted))
    return tuple(found)


def moments(snapshot: Snapshot, by_question: Mapping[int, tuple[int, int]]) -> tuple[Moment, ...]:
    """At most about 200 points over the run's own answers, in the order of their arrival.

    A cost is known up to the first answer that has none though it is not a failure.
    """
    rows = snapshot.arrivals()
    step = max(1, -(-len(rows) // _MOMENTS))
    found: list[Moment] = []
    seconds, admitted, requests, tokens = 0.0, 0, 0, 0
    cost: float | None = 0.0
    before = rows[0][0] if rows else 0.0
    for number, (arrived, question, sent, used, dollars, failed) in enumerate(rows, 1):
        seconds += min(max(arrived - before, 0.0), PAUSE_S)
        before = arrived
        admitted += by_question.get(question, (0, 0))[1] if question is not None else 0
        requests, tokens = requests + sent, tokens + used
        if dollars is None and not failed:
            cost = None
        elif cost is not None:
            cost += dollars or 0.0
        if number % step == 0 or number in (1, len(rows)):
            found.append(Moment(seconds, admitted, requests, tokens, cost))
    return tuple(found)
