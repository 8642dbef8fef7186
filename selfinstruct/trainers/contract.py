"""A trainer's requirements as data: one `Contract` per trainer, from `contracts.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.shipped import shipped_yaml
from .config_files import CONFIG_FILES, Target
from .findings import Rule
from .layouts import LAYOUTS, Layout, layout_of

# Roles in the data, and the parts that they play for the trainer.
CHAT_ROLES: Mapping[str, str] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}

LINES = (".jsonl", ".ndjson")

# The parts that may precede each part in a conversation.
_ANY = frozenset(("start", "system", "user", "assistant", "tool", "call"))
USUAL_ORDER: Mapping[str, frozenset[str]] = {
    "system": frozenset(("start",)),
    "user": _ANY - {"user"},
    "assistant": frozenset(("user", "tool")),
    "tool": _ANY,
}

_LAYOUTS = {layout.name: layout for layout in LAYOUTS}
# Keys of a contract that hold names, not a rule.
_NAMES = ("turn_keys", "weights", "others", "tools")
# What most trainers do; a `Contract` overrides the rules that differ.
FOREIGN_ROLE = Rule("error", "the trainer stops with an error", "rename the role")
TOO_LONG = Rule("warning", "the trainer truncates the row", "raise the trainer's limit, or remove the row")
EMPTY_ANSWER = Rule("warning", "the model learns to say nothing", "remove the row, or write an answer")
EMPTY_PROMPT = Rule("warning", "the model learns an answer to an empty prompt", "remove the row, or write the prompt")
NO_ANSWER = Rule("error", "there is nothing to learn from the row", "end the conversation with the assistant's answer")
UNREADABLE = Rule("error", "the trainer stops with an error", "fix the row, or remove it")
SAME_ANSWERS = Rule("warning", "there is no preference to learn", "remove the row")
LABELED = Rule("error", "the trainer would learn the answers that are labeled bad, too", "use a config without labels")
ALTERNATION = Rule(
    "warning",
    "many chat templates reject this order",
    "alternate user and assistant, after at most one system message",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a trainer reads a layout."""

    layout: Layout
    # The part that each role in the data plays for the trainer.
    roles: Mapping[str, str] = field(default_factory=lambda: CHAT_ROLES)
    note: Rule | None = None  # a loss of the whole text, which is found in every dataset in this layout, or None
    ignored: tuple[str, ...] = ()  # optional columns of the layout that the trainer ignores
    clash: tuple[frozenset[str], Rule] | None = None  # columns that must not occur beside those of the layout
    loss: str = "the answer"  # which answers of a conversation the trainer learns, and the settings that change it


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
    tools: tuple[str, ...] = ("text", "list")  # what the column 'tools' may hold: JSON text, a list
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
    others: tuple[str, ...] | None = None  # further columns that the trainer accepts; None for any
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


def _contract(name: str, entry: dict[str, Any]) -> Contract:
    lists = {key: value for key, value in entry.items() if isinstance(value, list)}
    stub_name, stub = CONFIG_FILES.get(name, ("", None))
    given: dict[str, Any] = {
        **entry,
        **{key: Rule(*value) for key, value in lists.items() if key not in ("readings", *_NAMES)},
        **{key: tuple(lists[key]) for key in _NAMES if key in lists},
        "readings": tuple(each for one in entry["readings"] for each in _readings(one)),
        "misses": {layout: Rule(*rule) for layout, rule in entry.get("misses", {}).items()},
        "files": (tuple(files["endings"]), Rule(*files["rule"])) if (files := entry.get("files")) else None,
        "order": {**USUAL_ORDER, **{part: frozenset(before) for part, before in entry.get("order", {}).items()}},
    }
    return Contract(name=name, stub=stub, stub_name=stub_name, **given)


def _readings(entry: dict[str, Any]) -> Iterator[Reading]:
    """Yield how the trainer reads each of the layouts of one entry."""
    given = {key: value for key, value in entry.items() if key in ("roles", "loss")}
    if "note" in entry:
        given["note"] = Rule(*entry["note"])
    if "clash" in entry:
        given["clash"] = frozenset(entry["clash"]["columns"]), Rule(*entry["clash"]["rule"])
    for name in entry["layouts"]:
        yield Reading(_LAYOUTS[name], ignored=tuple(entry.get("ignored", ())), **given)


# Contracts by the name that `--for` takes.
TRAINERS = {name: _contract(name, entry) for name, entry in shipped_yaml(__package__, "contracts.yaml").items()}
