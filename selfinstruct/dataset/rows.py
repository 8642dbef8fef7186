"""What becomes a row of a dataset, and its columns: the values that formats are made of."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from ..config.options import FormatOptions
from ..core.chat_template import ChatTemplate
from ..core.errors import ConfigError
from ..core.records import Example, Record, Response, user_text
from ..journal.provenance import Lineage
from .provenance_columns import GROUND_TRUTH, ProvenanceColumns, RowDict


@dataclass(frozen=True, slots=True)
class Pair:
    """What a completion model reads, and what it learns to write after it."""

    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """One template. The prompt is task mark, instruction, `gap`, input mark, input, `end`; without an input only
    task mark, instruction, `end`. After an 'Output:' mark the completion begins with a blank."""

    task: str = ""
    gap: str = ""
    mark: str = ""
    end: str = "\n\n"

    def fill(self, instruction: str, given: str, output: str) -> Pair:
        """The pair; texts are stripped as published."""
        middle = f"{self.gap}{self.mark}{given}" if given else ""
        blank = " " if self.end.endswith(":") else ""
        return Pair(f"{self.task}{instruction}{middle}{self.end}", blank + output)


# The variety of Self-Instruct (Wang et al. 2022, arXiv 2212.10560), so that the model doesn't hang on one form. Which
# templates these are follows the code that the authors published.
WITH_INPUT = (
    PromptStyle(gap="\n", mark="Input: ", end="\nOutput:"),
    PromptStyle(gap="\n\n", mark="Input: ", end="\n\nOutput:"),
    PromptStyle(task="Task: ", gap="\n", mark="Input: ", end="\nOutput:"),
    PromptStyle(gap="\n\n", end="\n\nOutput:"),
    PromptStyle(gap="\n\n"),
    PromptStyle(gap="\n"),
    PromptStyle(task="Task: ", gap="\n\n"),
)
WITHOUT_INPUT = (
    PromptStyle(end=" Output:"),
    PromptStyle(end="\nOutput:"),
    PromptStyle(end="\n\nOutput:"),
    PromptStyle(end="\n"),
    PromptStyle(),
    PromptStyle(task="Task: "),
)


def plain_prompt(instruction: str, given: str, output: str) -> Pair:
    """The one form of every row: instruction, input where there is one, each followed by a blank line."""
    return Pair(user_text(instruction, given) + "\n\n", output)


def published_prompt(row_id: str, random_seed: int, instruction: str, given: str, output: str) -> Pair:
    """The pair in one of the published templates.

    Which one follows from the seed and the row's id alone: the same in every export, whatever rows come later.
    """
    instruction, given, output = instruction.strip(), given.strip(), output.strip()
    styles = WITH_INPUT if given else WITHOUT_INPUT
    digest = hashlib.sha256(f"prompt:{random_seed}:{row_id}".encode()).digest()
    return styles[int.from_bytes(digest[:8], "big") % len(styles)].fill(instruction, given, output)


class ChatOptions(FormatOptions):
    """formats with answers."""

    reasoning: bool = Field(
        default=False,
        description="Put what the model thought before the answer, where the run has it: '<think>...</think>'.",
    )


CHAT = [{"role": "string", "content": "string"}]
"""The type of a column with a conversation."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The settings that rows of one format depend on.

    system_prompt: begins every row. published_prompts: draw the prompt from the published variety, by `random_seed` and
    the row's id. template: renders a conversation as one text. options: those of a format of your own. all_examples:
    whether each example of a record is a row, not only the first. marked: whether a judge gave marks. dialogues:
    whether rows may have several turns.
    """

    system_prompt: str | None = None
    published_prompts: bool = False
    random_seed: int = 0
    template: ChatTemplate | None = None
    options: FormatOptions | None = None
    all_examples: bool = False
    marked: bool = False
    dialogues: bool = False


@dataclass(frozen=True, slots=True)
class Selected:
    """What becomes one row. id: the row's. rows: how many rows share the record's cost."""

    record: Record
    id: str
    example: Example
    rows: int = 1


def select_examples(records: Sequence[Record], wording: Wording) -> Iterator[Selected]:
    """Select the first example of each record, or every one; the ids of the others end in '.1', '.2' ..."""
    for record in records:
        examples = record.examples if wording.all_examples else record.examples[:1]
        for number, example in enumerate(examples):
            yield Selected(record, row_id(record, number), example, len(examples))


def share_cost(selected: Iterable[Selected]) -> list[Selected]:
    """Share the cost of each record by its rows."""
    rows = list(selected)
    count = Counter(each.record.id for each in rows)
    return [replace(each, rows=count[each.record.id]) for each in rows]


def row_id(record: Record, number: int) -> str:
    """Return the id of the row of an example: 'q17.3' for the first, 'q17.3.1' for the second."""
    return f"{record.id}.{number}" if number else record.id


@dataclass(frozen=True, slots=True)
class Format:
    """The columns of one dataset config. `features` uses the names of `datasets.Value` types.

    more: further columns under these settings, such as one for a system prompt.
    traced: rows also have an id and their provenance. lines: also written as JSON Lines, one file per split.
    Options: the model of the format's options in the configuration. select: what becomes a row, in the order of the
    records. shares: what the card states a share of the rows for, and whether it is true of a row. needs: what a record
    that becomes a row does or has.
    """

    row: Callable[[Record, Example, Wording], RowDict]
    features: Mapping[str, Any]
    more: Callable[[Wording], Mapping[str, Any]] = lambda wording: {}
    traced: bool = True
    lines: bool = False
    Options: type[FormatOptions] = FormatOptions
    select: Callable[[Sequence[Record], Wording], Iterable[Selected]] = select_examples
    shares: Mapping[str, Callable[[RowDict], bool]] = field(default_factory=dict)
    needs: str = "fits its options"

    def columns(self, wording: Wording) -> dict[str, Any]:
        """The format's own columns under these settings."""
        return {**self.features, **self.more(wording)}


def message(role: str, content: str) -> RowDict:
    """Return a message as datasets of chats have it."""
    return {"role": role, "content": content}


def prompt_messages(example: Example, wording: Wording) -> list[RowDict]:
    """Return the messages before the answer."""
    system = [message("system", wording.system_prompt)] if wording.system_prompt else []
    return [*system, *(message(each.role, each.content) for each in example.messages)]


def answer_text(response: Response, wording: Wording) -> str:
    """Return an answer, after its reasoning if the format asks for it."""
    if isinstance(wording.options, ChatOptions) and wording.options.reasoning and response.reasoning:
        return f"<think>\n{response.reasoning.strip()}\n</think>\n\n{response.text}"
    return response.text


def answer_messages(response: Response, wording: Wording) -> list[RowDict]:
    """Return an answer as a list of one message."""
    return [message("assistant", answer_text(response, wording))]


def prompt_text(record: Record, example: Example, wording: Wording) -> str:
    """Return the prompt as one text, which ends in a line break: system prompt, instruction, input.

    In a dataset with dialogues, each turn has its speaker above it, and 'Assistant:' is the last line.
    """
    system = f"{wording.system_prompt}\n\n" if wording.system_prompt else ""
    if wording.dialogues:
        turns = (f"{each.role.capitalize()}:\n{each.content}\n\n" for each in example.messages)
        return f"{system}{''.join(turns)}Assistant:\n"
    return system + plain_prompt(record.instruction, example.given, "").prompt


def columns_of(format: Format, wording: Wording, columns: ProvenanceColumns) -> dict[str, Any]:
    """All columns of a format's rows, in order, in the names of `datasets.Value` types.

    Raises ConfigError if a label or a facet of the records has the name of another column.
    """
    own = format.columns(wording)
    if not format.traced:
        return own
    if twice := {"id", *own} & (columns.features.keys() - GROUND_TRUTH.keys()):
        raise ConfigError(f"dataset.formats: the label {min(twice)!r} has the name of a column; rename it")
    return {"id": "string", **own, **(columns.features | own)}


def rows_of(
    records: Sequence[Record],
    format: Format,
    columns: ProvenanceColumns = ProvenanceColumns(),
    wording: Wording = Wording(),
    lineages: Mapping[str, Lineage] | None = None,
) -> Iterator[RowDict]:
    """Yield the rows of records. What a record has cost is shared equally by its rows.

    lineages: the lineage of each record by its id; None leaves the columns empty that depend on it.
    """
    expected = format.columns(wording).keys()
    for one in format.select(records, wording):
        row = format.row(one.record, one.example, wording)
        if not isinstance(row, dict) or row.keys() != expected:
            keys = f"the columns {', '.join(row)}" if isinstance(row, dict) else type(row).__name__
            raise ConfigError(f"dataset.formats: a row has {keys}, its features are {', '.join(expected)}")
        if format.traced:
            lineage = lineages[one.record.id] if lineages is not None else None
            row = {"id": one.id, **row, **(columns.row(one.record, one.example, one.rows, lineage) | row)}
        yield row
