"""The charts of a student trial: what training on each dataset changed, and the difference of each two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..report.page.row_charts import ChartRow, RowChart, scale_for, shares
from .trial import CONTROL, ArmEffect, Interval, PairEffect, Trial

_GAP = (
    "Loss of an answer after a wrong prompt minus that after its own. Lower than 0: the student learned to care less "
    "about the prompt. The verdict is that of this figure."
)
_LOSS = "Loss of held-out answers. It falls after training on wrong answers as well, so it decides nothing."


def trial_charts(trial: Trial, names: Mapping[str, str]) -> list[list[RowChart]]:
    """Draw a trial in groups, and no differences of one that is invalid. names: what to call each dataset."""
    arms = [*trial.arms, trial.control]
    names = {**names, trial.control.name: CONTROL}
    pairs = trial.pairs if trial.is_valid else ()
    color = "a" if trial.is_valid else "open"
    by_arm = [
        _arm_chart("d_gap", "Change of the pairing gap (d_gap)", _GAP, arms, names, color),
        _arm_chart("d_nll", "Change of the loss (d_nll)", _LOSS, arms, names, color),
    ]
    asked = {"d_gap": "How far are the pairing gaps apart?", "d_nll": "How far are the losses apart?"}
    by_pair = [_pair_chart(figure, title, pairs, names) for figure, title in asked.items() if pairs]
    return [by_arm, by_pair, _passed_chart(trial, arms, names)]


def _written(each: Interval) -> tuple[str, str, str]:
    return f"{each.value:+.3f}", f"{each.low:+.3f}", f"{each.high:+.3f}"


def _arm_chart(
    figure: str, title: str, note: str, arms: Sequence[ArmEffect], names: Mapping[str, str], color: str
) -> RowChart:
    values = [(names.get(arm.name, arm.name), getattr(arm, figure), "b" if arm is arms[-1] else color) for arm in arms]
    table = tuple(
        (arm.name, *_written(getattr(arm, figure)), f"{arm.rows:,}", f"{arm.answer_tokens:,}") for arm in arms
    )
    columns = ("dataset", figure, "from", "to", "rows", "answer tokens")
    return _interval_chart(f"trial-{figure}", title, values, columns, table, note)


def _pair_chart(figure: str, title: str, pairs: Sequence[PairEffect], names: Mapping[str, str]) -> RowChart:
    labels = [f"{names.get(pair.second, pair.second)} minus {names.get(pair.first, pair.first)}" for pair in pairs]
    found = [getattr(pair, figure) for pair in pairs]
    values = [(label, each, "a" if each.is_decided else "open") for label, each in zip(labels, found, strict=True)]
    table = tuple((label, *_written(each)) for label, each, _ in values)
    together = " All of them hold together in 95% of trials." if len(pairs) > 1 else ""
    higher = "higher than 0: the answers of the first belong to their tasks more." if figure == "d_gap" else _LOSS
    note = f"Lines are 95% intervals.{together} {higher[0].upper()}{higher[1:]}"
    return _interval_chart(f"trial-pairs-{figure}", title, values, ("difference", figure, "from", "to"), table, note)


def _interval_chart(
    id: str,
    title: str,
    values: Sequence[tuple[str, Interval, str]],
    columns: tuple[str, ...],
    table: tuple[tuple[str, ...], ...],
    note: str,
) -> RowChart:
    """Draw values with their intervals on a scale that has 0. values: (label, value, color) of each row."""
    rows = []
    for label, each, color in values:
        rows.append(ChartRow(label, str(each), each.value, (each.low, each.high), color=color))
    low = min(0.0, *(each.low for _, each, _ in values))
    high = max(0.0, *(each.high for _, each, _ in values))
    scale = scale_for(low, high, "nats per answer token", lambda value: f"{value:+.3g}" if value else "0")
    return RowChart(id, title, scale, tuple(rows), columns, table, note=note)


def _passed_chart(trial: Trial, arms: Sequence[ArmEffect], names: Mapping[str, str]) -> list[RowChart]:
    """Draw the answers of the students that a program found right, if students answered."""
    passed = [("untrained student", trial.untrained_passed)]
    passed += [(names.get(arm.name, arm.name), arm.passed) for arm in arms]
    found = [(label, right, answers) for label, each in passed if each is not None for right, answers in [each]]
    if not found:
        return []
    rows = tuple(
        ChartRow(label, f"{right:,} of {answers:,}", right / max(1, answers)) for label, right, answers in found
    )
    table = tuple((label, f"{right:,}", f"{answers:,}") for label, right, answers in found)
    columns = ("student", "right", "answers")
    title, note = "Answers of the students that a program found right", "Of all seeds together, without an interval."
    return [RowChart("trial-passed", title, shares("of the answers"), rows, columns, table, note=note)]
