"""One dataset row per example, in the columns that each kind of trainer reads.

To add a format, write a function `(record, example, wording) -> dict`, and a line in `FORMATS` with its features; or
name a `Format` of your own in the configuration as `package.module:Name`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from ..config.fields import Name
from ..config.options import FormatOptions
from ..config.plugins import load_named
from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.records import Example, Record
from ..journal.provenance import Lineage
from .chat_template import ChatTemplate, load_chat_template
from .provenance_columns import PROVENANCE_CONFIG, ProvenanceColumns, RowDict
from .wordings import plain_prompt, published_prompt


class ChatOptions(FormatOptions):
    """formats of chats."""

    reasoning: bool = Field(
        default=False,
        description="Put what the model thought before the answer, where the run has it: '<think>...</think>'.",
    )


class PromptCompletionOptions(FormatOptions):
    """format `prompt_completion`."""

    kind: str = Field(default="prompt_completion", description="prompt_completion")
    prompt_style: Literal["plain", "published"] = Field(
        default="plain",
        description="One form for every row, or Self-Instruct's published variety, drawn by the random seed.",
    )


class TextOptions(ChatOptions):
    """format `text`."""

    kind: str = Field(default="text", description="text")
    chat_template: Name = Field(
        default="chatml",
        description="chatml | gemma | llama3 | mistral | zephyr | a .jinja file | a tokenizer_config.json.",
    )


@dataclass(frozen=True, slots=True)
class Wording:
    """The settings that rows of one format depend on.

    system_prompt: begins every row. published_prompts: draw the prompt from the published variety, by `random_seed` and
    the row's id. template: renders a conversation as one text. options: those of a format of your own. all_examples:
    whether each example of a record is a row, not only the first.
    """

    system_prompt: str | None = None
    published_prompts: bool = False
    random_seed: int = 0
    template: ChatTemplate | None = None
    options: FormatOptions | None = None
    all_examples: bool = False


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
            yield Selected(record, _row_id(record, number), example, len(examples))


def _row_id(record: Record, number: int) -> str:
    return f"{record.id}.{number}" if number else record.id


@dataclass(frozen=True, slots=True)
class Format:
    """The columns of one dataset config. `features` uses the names of `datasets.Value` types.

    with_system: further columns if a system prompt is set.
    traced: rows also have an id and their provenance. lines: also written as JSON Lines, one file per split.
    Options: the model of the format's options in the configuration. select: what becomes a row, in the order of the
    records.
    """

    row: Callable[[Record, Example, Wording], RowDict]
    features: Mapping[str, Any]
    with_system: Mapping[str, Any] = field(default_factory=dict)
    traced: bool = True
    lines: bool = False
    Options: type[FormatOptions] = FormatOptions
    select: Callable[[Sequence[Record], Wording], Iterable[Selected]] = select_examples

    def columns(self, wording: Wording) -> dict[str, Any]:
        """The format's own columns under these settings."""
        return {**self.features, **(self.with_system if wording.system_prompt else {})}


def message(role: str, content: str) -> RowDict:
    """Return a message as datasets of chats have it."""
    return {"role": role, "content": content}


def prompt_messages(example: Example, wording: Wording) -> list[RowDict]:
    """Return the messages before the answer."""
    system = [message("system", wording.system_prompt)] if wording.system_prompt else []
    return [*system, *(message(each.role, each.content) for each in example.messages)]


def _answer(example: Example, wording: Wording) -> RowDict:
    """Return the message of the answer, with its reasoning if the format asks for it."""
    best = example.responses[0]
    if isinstance(wording.options, ChatOptions) and wording.options.reasoning and best.reasoning:
        return message("assistant", f"<think>\n{best.reasoning.strip()}\n</think>\n\n{best.text}")
    return message("assistant", best.text)


def _messages(record: Record, example: Example, wording: Wording) -> RowDict:
    return {"messages": [*prompt_messages(example, wording), _answer(example, wording)]}


def _prompt_completion(record: Record, example: Example, wording: Wording) -> RowDict:
    texts = (record.instruction, example.given, example.output)
    if wording.published_prompts:
        row_id = _row_id(record, record.examples.index(example))
        pair = published_prompt(row_id, wording.random_seed, *texts)
    else:
        pair = plain_prompt(*texts)
    system = f"{wording.system_prompt}\n\n" if wording.system_prompt else ""
    return {"prompt": system + pair.prompt, "completion": pair.completion}


def _prompt_completion_chat(record: Record, example: Example, wording: Wording) -> RowDict:
    return {"prompt": prompt_messages(example, wording), "completion": [_answer(example, wording)]}


def _alpaca(record: Record, example: Example, wording: Wording) -> RowDict:
    row = {"instruction": record.instruction, "input": example.given, "output": example.output}
    return row | ({"system": wording.system_prompt} if wording.system_prompt else {})


_SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt"}


def _sharegpt(record: Record, example: Example, wording: Wording) -> RowDict:
    messages = _messages(record, example, wording)["messages"]
    return {"conversations": [{"from": _SHAREGPT_ROLES[m["role"]], "value": m["content"]} for m in messages]}


def _text(record: Record, example: Example, wording: Wording) -> RowDict:
    template = wording.template or load_chat_template("chatml")
    return {"text": template.render(_messages(record, example, wording)["messages"])}


_CHAT = [{"role": "string", "content": "string"}]

FORMATS: dict[str, Format] = {
    "messages": Format(_messages, {"messages": _CHAT}, Options=ChatOptions),
    "prompt_completion": Format(
        _prompt_completion, {"prompt": "string", "completion": "string"}, Options=PromptCompletionOptions
    ),
    "prompt_completion_chat": Format(
        _prompt_completion_chat, {"prompt": _CHAT, "completion": _CHAT}, Options=ChatOptions
    ),
    "alpaca": Format(
        _alpaca, {"instruction": "string", "input": "string", "output": "string"}, with_system={"system": "string"}
    ),
    "sharegpt": Format(_sharegpt, {"conversations": [{"from": "string", "value": "string"}]}, Options=ChatOptions),
    "openai": Format(_messages, {"messages": _CHAT}, traced=False, lines=True, Options=ChatOptions),
    "text": Format(_text, {"text": "string"}, Options=TextOptions),
}


def formats_of(config: RunConfig) -> dict[str, tuple[Format, Wording]]:
    """Return the configured formats by the names of their dataset configs, each with its wording, in order.

    Raises:
        ConfigError: An unknown format, one of your own that can't be imported, or a chat template that can't be used.
    """
    found: dict[str, tuple[Format, Wording]] = {}
    for kind, given in config.dataset.format_options.items():
        chosen = load_named(kind, FORMATS, "dataset.formats")
        if not isinstance(chosen, Format):
            raise ConfigError(f"dataset.formats: {kind} is not a `selfinstruct.Format`")
        name = config_name(kind)
        if name in found or name == PROVENANCE_CONFIG:
            raise ConfigError(
                f"dataset.formats: two dataset configs would be called {name!r}; rename the format {kind}"
            )
        found[name] = (chosen, _wording_of(config, chosen.Options.of(given)))
    return found


def config_name(kind: str) -> str:
    """Return the name of a format's dataset config: 'alpaca', or 'Mine' for 'package.module:Mine'."""
    return kind.rpartition(":")[2]


def _wording_of(config: RunConfig, options: FormatOptions) -> Wording:
    published = isinstance(options, PromptCompletionOptions) and options.prompt_style == "published"
    system, every = config.dataset.system_prompt, config.dataset.instances == "all"
    template = load_chat_template(options.chat_template, system) if isinstance(options, TextOptions) else None
    return Wording(system, published, config.random_seed, template, options, every)


def columns_of(format: Format, wording: Wording, columns: ProvenanceColumns) -> dict[str, Any]:
    """All columns of a format's rows, in order, in the names of `datasets.Value` types.

    Raises ConfigError if a label or a facet of the records has the name of another column.
    """
    own = format.columns(wording)
    if not format.traced:
        return own
    if twice := {"id", *own} & columns.features.keys():
        raise ConfigError(f"dataset.formats: the label {min(twice)!r} has the name of a column; rename it")
    return {"id": "string", **own, **columns.features}


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
            row = {"id": one.id, **row, **columns.row(one.record, one.example, one.rows, lineage)}
        yield row
