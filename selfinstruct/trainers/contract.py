"""What a trainer asks of a dataset, as data: one `Contract` a trainer, which `validate/trainers/` hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .findings import Rule
from .layouts import Layout

SHAREGPT_ROLES: Mapping[str, str] = {"system": "system", "human": "user", "gpt": "assistant"}
CHAT_ROLES: Mapping[str, str] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}

FOREIGN_ROLE = Rule("error", "the trainer stops at it", "rename the role")
TOO_LONG = Rule("warning", "the trainer cuts the end of the row off", "raise the trainer's limit, or leave the row out")
EMPTY_ANSWER = Rule("warning", "the model learns to say nothing", "leave the row out, or write an answer")
EMPTY_PROMPT = Rule("warning", "nothing is asked, but an answer is learned", "leave the row out, or write the prompt")
NO_ANSWER = Rule("error", "there is nothing to learn from the row", "end the conversation with the assistant's answer")
UNREADABLE = Rule("error", "the trainer stops at such a row", "mend the row, or leave it out")
SAME_ANSWERS = Rule("warning", "there is no preference to learn", "leave the row out")
ALTERNATION = Rule(
    "warning",
    "many chat templates refuse it",
    "let user and assistant speak in turn, after at most one system message",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A layout that a trainer reads, and how.

    roles: a message's role in the data, and which part that is to the trainer. note: what is said of every dataset in
    this layout, with its code, or None. ignored: optional columns of the layout that this trainer doesn't look at.
    """

    layout: Layout
    roles: Mapping[str, str] = field(default_factory=lambda: CHAT_ROLES)
    note: tuple[str, Rule] | None = None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What a trainer's configuration is written for.

    path: of the dataset, absolute (a hub name as it is). is_file: a single file, not a folder with configs.
    test: the split to evaluate with, or None. optional: those of the layout's optional columns that are there.
    max_length: tokens.
    """

    path: str
    is_file: bool
    config: str | None
    layout: Layout
    train: str
    test: str | None
    optional: tuple[str, ...]
    max_length: int


@dataclass(frozen=True, slots=True)
class Contract:
    """What one trainer reads.

    version: the one whose documentation and code were read. docs: that documentation. readings: in the order in which
    the trainer prefers them. misses: layouts that it doesn't read, and what happens with each. clashes: columns that
    must not stand in one row. max_length: its default, tokens. others: keys of a row beside the layout's that it takes,
    None for any. lines_only: it takes JSON Lines and nothing else. stub: the text of its configuration, and the file's
    name.
    """

    name: str
    version: str
    docs: str
    readings: tuple[Reading, ...]
    unread: Rule
    misses: Mapping[str, Rule] = field(default_factory=dict)
    clashes: tuple[tuple[frozenset[str], frozenset[str], Rule], ...] = ()
    foreign_role: Rule = FOREIGN_ROLE
    alternation: Rule = ALTERNATION
    no_answer: Rule = NO_ANSWER
    empty_answer: Rule = EMPTY_ANSWER
    empty_prompt: Rule = EMPTY_PROMPT
    too_long: Rule = TOO_LONG
    max_length: int = 2048
    min_rows: int = 1
    writes_bos: bool = False
    others: frozenset[str] | None = None
    lines_only: Rule | None = None
    stub: Callable[[Target], str] | None = None
    stub_name: str = ""

    def reading_of(self, layout: Layout | None) -> Reading | None:
        """How the trainer reads this layout, or None."""
        return next((reading for reading in self.readings if reading.layout == layout), None)
