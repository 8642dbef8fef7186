"""A trainer's requirements as data: one `Contract` per trainer. The instances are in `contracts/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .findings import Rule
from .layouts import Layout, layout_of

# Roles in the data, and the parts that they play for the trainer.
SHAREGPT_ROLES: Mapping[str, str] = {"system": "system", "human": "user", "gpt": "assistant"}
CHAT_ROLES: Mapping[str, str] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}

LINES = (".jsonl", ".ndjson")

# The parts that may precede each part in a conversation. LLaMA-Factory reads turns in pairs: a question or a tool's
# result, then an answer or a call.
_ANY = frozenset(("start", "system", "user", "assistant", "tool", "call"))
USUAL_ORDER: Mapping[str, frozenset[str]] = {
    "system": frozenset(("start",)),
    "user": _ANY - {"user"},
    "assistant": frozenset(("user", "tool")),
    "tool": _ANY,
}
_ASKING, _ANSWERING = frozenset(("user", "tool")), frozenset(("assistant", "call"))
PAIRS: Mapping[str, frozenset[str]] = {
    "system": frozenset(("start",)),
    **dict.fromkeys(_ASKING, _ANY - _ASKING),
    **dict.fromkeys(_ANSWERING, _ASKING),
}

# What most trainers do; a `Contract` overrides the rules that differ.
FOREIGN_ROLE = Rule("error", "the trainer stops with an error", "rename the role")
TOO_LONG = Rule("warning", "the trainer truncates the row", "raise the trainer's limit, or remove the row")
EMPTY_ANSWER = Rule("warning", "the model learns to say nothing", "remove the row, or write an answer")
EMPTY_PROMPT = Rule("warning", "the model learns an answer to an empty prompt", "remove the row, or write the prompt")
NO_ANSWER = Rule("error", "there is nothing to learn from the row", "end the conversation with the assistant's answer")
UNREADABLE = Rule("error", "the trainer stops with an error", "fix the row, or remove it")
SAME_ANSWERS = Rule("warning", "there is no preference to learn", "remove the row")
_OWN_KL = "the KL term is estimated from each prompt with the answer of the row before, here one to the same prompt"
NEIGHBORS = Rule("warning", _OWN_KL, "shuffle the rows")
PAIR_LOSS = "the chosen and the rejected answer; earlier turns are context"
LABELED = Rule("error", "the trainer would learn the answers that are labeled bad, too", "use a config without labels")
TURNS = "alternate user and assistant, after at most one system message"
ALTERNATION = Rule("warning", "many chat templates reject this order", TURNS)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a trainer reads a layout."""

    layout: Layout
    # The part that each role in the data plays for the trainer.
    roles: Mapping[str, str] = field(default_factory=lambda: CHAT_ROLES)
    note: tuple[str, Rule] | None = None  # a finding, as code and rule, for every dataset in this layout, or None
    ignored: tuple[str, ...] = ()  # optional columns of the layout that the trainer ignores
    clash: tuple[frozenset[str], Rule] | None = None  # columns that must not occur beside those of the layout
    loss: str = "the answer"  # which answers of a conversation the trainer learns, and the settings that change it


@dataclass(frozen=True, slots=True)
class Target:
    """The dataset that a trainer's configuration is written for."""

    path: str  # the absolute path of the dataset, or its hub name
    is_file: bool  # a single file, not a folder with configs
    config: str | None  # the config of the dataset, if it has configs
    layout: Layout
    train: str  # the split to train on
    test: str | None  # the split to evaluate with, or None
    optional: tuple[str, ...]  # the optional columns of the layout that the dataset has
    turn_key: str | None  # the key of a message that says whether to learn from it, if the dataset has one
    max_length: int  # tokens per row


@dataclass(frozen=True, slots=True)
class Contract:
    """What one trainer reads, and what it does with anything else."""

    name: str  # the name for `--for`
    version: str  # the version whose code and documentation these rules describe
    docs: str  # that documentation
    readings: tuple[Reading, ...]  # the layouts that the trainer reads, in its order of preference
    unread: Rule  # what happens with any other layout
    misses: Mapping[str, Rule] = field(default_factory=dict)  # what happens with particular other layouts, by name
    # What happens with rows with such a defect.
    foreign_role: Rule = FOREIGN_ROLE
    order: Mapping[str, frozenset[str]] = field(default_factory=lambda: USUAL_ORDER)  # which parts may precede each
    alternation: Rule = ALTERNATION
    no_answer: Rule = NO_ANSWER
    answered: Rule | None = None  # what happens to a prompt that ends with an answer; None if it is left out
    empty_answer: Rule = EMPTY_ANSWER
    empty_prompt: Rule = EMPTY_PROMPT
    too_long: Rule = TOO_LONG
    tool_calls: Rule | None = None  # what happens to the 'tool_calls' of a message; None if the trainer reads them
    call_text: Rule | None = None  # what happens to a call whose text isn't JSON with 'name' and 'arguments'
    tools: tuple[type, ...] = (str, list)  # what the column 'tools' may hold: JSON text, a list
    turn_keys: tuple[str, ...] = ()  # keys of a message that the trainer reads as whether to learn from it
    untrimmed: Rule | None = None  # what happens to an answer of a pair with white space around it
    margin: Rule | None = None  # what happens to a 'margin' that isn't a number; None if the trainer ignores margins
    neighbors: Rule | None = None  # what happens to labeled answers to one prompt in consecutive rows
    blocks: Rule | None = None  # what happens to rows that are sorted by their labels
    weights: tuple[str, str] = ("", "")  # the settings that weigh good and bad answers
    content_parts: bool = False  # whether the content of a message may be a list of {"type": "text", "text": ...}
    max_length: int = 2048  # the trainer's default, tokens per row
    min_rows: int = 1  # the trainer's minimum
    writes_bos: bool = False  # the tokenizer adds a begin mark to texts
    others: frozenset[str] | None = None  # further columns that the trainer accepts; None for any
    files: tuple[tuple[str, ...], Rule] | None = None  # the endings of files to read, and what happens with others
    stub: Callable[[Target], str] | None = None  # writes the trainer's configuration
    stub_name: str = ""  # the name of that file

    def reading_of(self, row: Mapping[str, Any]) -> Reading | None:
        """Return how the trainer reads a row, or None. Labels are never ignored: some of the answers are bad ones."""
        layout = layout_of(row)
        labeled = bool(layout and layout.label)
        readings = sorted(self.readings, key=lambda reading: not reading.layout.graded)
        fitting = (reading for reading in readings if reading.layout.fits(row))
        answers = (each for each in fitting if bool(each.layout.label) == labeled or not each.layout.answers)
        return next(answers, None)


def yaml_text(values: dict[str, Any]) -> str:
    """Return a configuration as YAML like a person would write: keys in the given order, no anchors."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return str(yaml.dump(values, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000))
