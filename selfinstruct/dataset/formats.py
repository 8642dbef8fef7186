"""One dataset row per example, in the columns that each kind of trainer reads.

To add a format, write a function `(example, wording) -> dict`, and a line in `FORMATS` with its features; or name a
`Format` of your own in the configuration as `package.module:Name`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from ..config.fields import Name
from ..config.options import FormatOptions
from ..config.plugins import load_named
from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.tasks import Record
from ..journal.provenance import Origin
from .chat_template import ChatTemplate, load_chat_template
from .provenance_columns import PROVENANCE_CONFIG, ProvenanceColumns, RowDict
from .wordings import plain_prompt, published_prompt, user_text


@dataclass(frozen=True, slots=True)
class Example:
    """One instance of a record, to become one row. `id` is the row's."""

    id: str
    instruction: str
    input: str
    output: str


class PromptCompletionOptions(FormatOptions):
    """format `prompt_completion`."""

    kind: str = Field(default="prompt_completion", description="prompt_completion")
    prompt_style: Literal["plain", "published"] = Field(
        default="plain",
        description="One form for every row, or Self-Instruct's published variety, drawn by the random seed.",
    )


class TextOptions(FormatOptions):
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
    the row's id. template: renders a conversation as one text. options: those of a format of your own.
    """

    system_prompt: str | None = None
    published_prompts: bool = False
    random_seed: int = 0
    template: ChatTemplate | None = None
    options: FormatOptions | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """The columns of one dataset config. `features` uses the names of `datasets.Value` types.

    with_system: further columns if a system prompt is set.
    traced: rows also have an id and their provenance. lines: also written as JSON Lines, one file per split.
    Options: the model of the format's options in the configuration.
    """

    row: Callable[[Example, Wording], RowDict]
    features: Mapping[str, Any]
    with_system: Mapping[str, Any] = field(default_factory=dict)
    traced: bool = True
    lines: bool = False
    Options: type[FormatOptions] = FormatOptions

    def columns(self, wording: Wording) -> dict[str, Any]:
        """The format's own columns under these settings."""
        return {**self.features, **(self.with_system if wording.system_prompt else {})}


def _message(role: str, content: str) -> RowDict:
    return {"role": role, "content": content}


def _prompt_messages(example: Example, wording: Wording) -> list[RowDict]:
    system = [_message("system", wording.system_prompt)] if wording.system_prompt else []
    return [*system, _message("user", user_text(example.instruction, example.input))]


def _messages(example: Example, wording: Wording) -> RowDict:
    return {"messages": [*_prompt_messages(example, wording), _message("assistant", example.output)]}


def _prompt_completion(example: Example, wording: Wording) -> RowDict:
    if wording.published_prompts:
        pair = published_prompt(example.id, wording.random_seed, example.instruction, example.input, example.output)
    else:
        pair = plain_prompt(example.instruction, example.input, example.output)
    system = f"{wording.system_prompt}\n\n" if wording.system_prompt else ""
    return {"prompt": system + pair.prompt, "completion": pair.completion}


def _prompt_completion_chat(example: Example, wording: Wording) -> RowDict:
    return {"prompt": _prompt_messages(example, wording), "completion": [_message("assistant", example.output)]}


def _alpaca(example: Example, wording: Wording) -> RowDict:
    row = {"instruction": example.instruction, "input": example.input, "output": example.output}
    return row | ({"system": wording.system_prompt} if wording.system_prompt else {})


_SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt"}


def _sharegpt(example: Example, wording: Wording) -> RowDict:
    messages = _messages(example, wording)["messages"]
    return {"conversations": [{"from": _SHAREGPT_ROLES[m["role"]], "value": m["content"]} for m in messages]}


def _text(example: Example, wording: Wording) -> RowDict:
    template = wording.template or load_chat_template("chatml")
    return {"text": template.render(_messages(example, wording)["messages"])}


_CHAT = [{"role": "string", "content": "string"}]

FORMATS: dict[str, Format] = {
    "messages": Format(_messages, {"messages": _CHAT}),
    "prompt_completion": Format(
        _prompt_completion, {"prompt": "string", "completion": "string"}, Options=PromptCompletionOptions
    ),
    "prompt_completion_chat": Format(_prompt_completion_chat, {"prompt": _CHAT, "completion": _CHAT}),
    "alpaca": Format(
        _alpaca, {"instruction": "string", "input": "string", "output": "string"}, with_system={"system": "string"}
    ),
    "sharegpt": Format(_sharegpt, {"conversations": [{"from": "string", "value": "string"}]}),
    "openai": Format(_messages, {"messages": _CHAT}, traced=False, lines=True),
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
    system = config.dataset.system_prompt
    template = load_chat_template(options.chat_template, system) if isinstance(options, TextOptions) else None
    return Wording(system, published, config.random_seed, template, options)


def columns_of(format: Format, wording: Wording, columns: ProvenanceColumns) -> dict[str, Any]:
    """All columns of a format's rows, in order, in the names of `datasets.Value` types."""
    own = format.columns(wording)
    return {"id": "string", **own, **columns.features} if format.traced else own


def rows_of(
    record: Record,
    format: Format,
    all_instances: bool = False,
    columns: ProvenanceColumns = ProvenanceColumns(),
    wording: Wording = Wording(),
    origin: Origin | None = None,
) -> list[RowDict]:
    """The rows of one record: of its first instance, or of every one (ids then end in '.1', '.2' ...).

    What the record has cost is shared equally by its rows.
    """
    rows = []
    instances = record.instances if all_instances else record.instances[:1]
    for number, instance in enumerate(instances):
        id = record.id if number == 0 else f"{record.id}.{number}"
        row = format.row(Example(id, record.instruction, instance.input, instance.output), wording)
        if not isinstance(row, dict) or row.keys() != format.columns(wording).keys():
            keys = f"the columns {', '.join(row)}" if isinstance(row, dict) else type(row).__name__
            raise ConfigError(
                f"dataset.formats: a row has {keys}, its features are {', '.join(format.columns(wording))}"
            )
        if format.traced:
            row = {"id": id, **row, **columns.row(record, number, len(instances), origin)}
        rows.append(row)
    return rows
