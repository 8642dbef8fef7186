"""What the two answers of a preference say about each other, and what the rows of a split say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..core.choice import normalized
from ..core.counted import counted
from ..tables.chats import message_text
from .contract import SAME_ANSWERS, Contract
from .findings import Finding, Rule
from .layouts import Layout

# Code, rule, detail.
Defect = tuple[str, Rule, str]

# From this share on, a trainer learns to write at length rather than well; of few pairs, a share says little.
MAX_LONGER_SHARE = 0.55
_MIN_PAIRS = 20
# Rows of one label in a row, on average, that make most batches have one label: the usual size of a batch.
_BLOCK_ROWS = 8
# Good answers may weigh up to a third more than bad ones (Ethayarajh et al. 2024, equation 8; TRL warns beyond it).
_MAX_WEIGHT_RATIO = 4 / 3
_CONTRADICTION = Rule("warning", "the scores contradict the pair", "swap the answers, or remove the row")
_TWO_PROMPTS = Rule("error", "the prompts of the answers differ", "let only the last messages differ")


def check_pair(values: Mapping[str, Any], layout: Layout, contract: Contract) -> Iterator[Defect]:
    """Yield the defects of a row with a chosen and a rejected answer."""
    chosen, rejected = (_answer(values, layout, name) for name in layout.answers)
    if normalized(chosen) == normalized(rejected):
        yield "same_answers", SAME_ANSWERS, "both answers are the same"
    if contract.untrimmed and layout.kind == "chat" and any(text != text.strip() for text in (chosen, rejected)):
        yield "untrimmed", contract.untrimmed, "an answer begins or ends with white space"
    whole = layout.kind == "chat" and not layout.prompt
    if whole and values[layout.answers[0]][:-1] != values[layout.answers[1]][:-1]:
        yield "two_prompts", _TWO_PROMPTS, "the conversations differ before their last message"
    better, worse = _number(values.get("score_chosen")), _number(values.get("score_rejected"))
    if better is not None and worse is not None and better < worse:
        yield "contradiction", _CONTRADICTION, f"{better:g} for the chosen answer, {worse:g} for the rejected one"
    if contract.margin and "margin" in values and _number(values["margin"]) is None:
        yield "unreadable", contract.margin, "'margin' is no number"


class Balance:
    """Counts, over the rows of a split, which answers are longer, or which are labeled good."""

    def __init__(self, layout: Layout, contract: Contract) -> None:
        self._layout, self._contract = layout, contract
        self._rows = self._longer = self._good = self._neighbors = self._blocks = 0
        self._last: tuple[object, object] = None, None

    def add(self, values: Mapping[str, Any]) -> None:
        """Count a row that has the columns of the layout."""
        self._rows += 1
        if len(self._layout.answers) == 2:
            chosen, rejected = (_answer(values, self._layout, name) for name in self._layout.answers)
            self._longer += len(chosen) > len(rejected)
        elif self._layout.label:
            label = values[self._layout.label]
            prompt = [values[name] for name in self._layout.prompt] or values[self._layout.answers[0]][:-1]
            self._good += label
            self._neighbors += prompt == self._last[0]
            self._blocks += label != self._last[1]
            self._last = prompt, label

    def findings(self, where: str) -> Iterator[Finding]:
        """Yield what the counts say about the split."""
        if self._longer > MAX_LONGER_SHARE * self._rows and self._rows >= _MIN_PAIRS:
            share = f"the chosen answer is the longer one in {self._longer / self._rows:.0%} of {self._rows:,} pairs"
            remedy = "set length_control: true of the format preference, or remove pairs"
            yield Finding("warning", "longer_chosen", where, f"{share}: the model learns to write at length", remedy)
        if self._layout.label and self._rows:
            yield from self._label_findings(where, self._good, self._rows - self._good)

    def _label_findings(self, where: str, good: int, bad: int) -> Iterator[Finding]:
        if not good or not bad:
            what = f"all {self._rows:,} answers are labeled {'good' if good else 'bad'}: nothing tells them apart"
            yield Finding("error", "one_label", where, what, "add answers with the other label")
        elif not 1 <= good / bad <= _MAX_WEIGHT_RATIO:
            # Raise the weight of the rarer label until good answers weigh 1 to 4/3 times as much as bad ones, in sum.
            name = self._contract.weights[good > bad]
            least = good / bad / _MAX_WEIGHT_RATIO if good > bad else bad / good
            what = f"{counted(good, 'answer')} labeled good, {bad:,} bad, and each weighs the same"
            yield Finding(
                "warning",
                "label_weights",
                where,
                what,
                f"set {name} between {least:.2f} and {least * _MAX_WEIGHT_RATIO:.2f}",
            )
        if (rule := self._contract.blocks) and good and bad and self._rows > _BLOCK_ROWS * self._blocks:
            yield Finding(rule.level, "label_blocks", where, rule.what, rule.change)
        if self._neighbors and (rule := self._contract.neighbors):
            yield Finding(rule.level, "neighbors", where, rule.what, rule.change, self._neighbors)


def _answer(values: Mapping[str, Any], layout: Layout, name: str) -> str:
    if layout.kind == "text":
        return str(values[name])
    messages = layout.messages(values, name)
    return (message_text(messages[-1]) if messages else None) or ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
