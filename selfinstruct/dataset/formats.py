"""One dataset row a record, in the columns that each kind of trainer reads.

To add one: a function `(example, wording) -> dict` with its features, and a line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.suggest import closest
from ..core.tasks import Record
from ..journal.provenance import Origin
from .chat_template import ChatTemplate, load_chat_template
from .provenance_columns import Columns, Row
from .wordings import plain_prompt, published_prompt, user_text


@dataclass(frozen=True, slots=True)
class Example:
    """One instance of a record, to become one row. `id` is the row's."""

    id: str
    instruction: str
    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Wording:
    """What the dataset's settings say of its rows.

    published_prompts: `prompt_completion` draws from the published variety, by `random_seed` and the row's id.
    template: what `text` is rendered with.
    """

    system_prompt: str | None = None
    published_prompts: bool = False
    random_seed: int = 0
    template: ChatTemplate | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """The columns of one dataset config. `features` uses the names of `datasets.Value` types.

    with_system: further columns where a system prompt is set.
    traced: rows have an id and their provenance, too. lines: written as JSON Lines, too, a file a split.
    """

    row: Callable[[Example, Wording], Row]
    features: Mapping[str, Any]
    with_system: Mapping[str, Any] = field(default_factory=dict)
    traced: bool = True
    lines: bool = False

    def columns(self, wording: Wording) -> dict[str, Any]:
        """The format's own columns under these settings."""
        return {**self.features, **(self.with_system if wording.system_prompt else {})}


def _message(role: str, content: str) -> Row:
    return {"role": role, "content": content}


def _prompt_messages(example: Example, wording: Wording) -> list[Row]:
    system = [_message("system", wording.system_prompt)] if wording.system_prompt else []
    return [*system, _message("user", user_text(example.instruction, example.input))]


def _messages(example: Example, wording: Wording) -> Row:
    return {"messages": [*_prompt_messages(example, wording), _message("assistant", example.output)]}


def _prompt_completion(example: Example, wording: Wording) -> Row:
    if wording.published_prompts:
        pair = published_prompt(example.id, wording.random_seed, example.instruction, example.input, example.output)
    else:
        pair = plain_prompt(example.instruction, example.input, example.output)
    system = f"{wording.system_prompt}\n\n" if wording.system_prompt else ""
    return {"prompt": system + pair.prompt, "completion": pair.completion}


def _prompt_completion_chat(example: Example, wording: Wording) -> Row:
    return {"prompt": _prompt_messages(example, wording), "completion": [_message("assistant", example.output)]}


def _alpaca(example: Example, wording: Wording) -> Row:
    row = {"instruction": example.instruction, "input": example.input, "output": example.output}
    return row | ({"system": wording.system_prompt} if wording.system_prompt else {})


_SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt"}


def _sharegpt(example: Example, wording: Wording) -> Row:
    messages = _messages(example, wording)["messages"]
    return {"conversations": [{"from": _SHAREGPT_ROLES[m["role"]], "value": m["content"]} for m in messages]}


def _text(example: Example, wording: Wording) -> Row:
    template = wording.template or load_chat_template("chatml")
    return {"text": template.render(_messages(example, wording)["messages"])}


_CHAT = [{"role": "string", "content": "string"}]

FORMATS: dict[str, Format] = {
    "messages": Format(_messages, {"messages": _CHAT}),
    "prompt_completion": Format(_prompt_completion, {"prompt": "string", "completion": "string"}),
    "prompt_completion_chat": Format(_prompt_completion_chat, {"prompt": _CHAT, "completion": _CHAT}),
    "alpaca": Format(
        _alpaca, {"instruction": "string", "input": "string", "output": "string"}, with_system={"system": "string"}
    ),
    "sharegpt": Format(_sharegpt, {"conversations": [{"from": "string", "value": "string"}]}),
    "openai": Format(_messages, {"messages": _CHAT}, traced=False, lines=True),
    "text": Format(_text, {"text": "string"}),
}


def check_format(name: str) -> None:
    """Raises ConfigError when no format has this name."""
    if name not in FORMATS:
        guess = closest(name, FORMATS)
        hint = f"did you mean {guess!r}?" if guess else f"one of {', '.join(FORMATS)}"
        raise ConfigError(f"dataset.formats: {name!r} is unknown; {hint}")


def wording_of(config: RunConfig) -> Wording:
    """The wording that a run's configuration asks for. Raises ConfigError: a chat template that can't be used."""
    settings = config.dataset
    template = load_chat_template(settings.chat_template) if "text" in settings.formats else None
    return Wording(settings.system_prompt, settings.prompt_style == "published", config.random_seed, template)


def columns_of(format: Format, wording: Wording, columns: Columns) -> dict[str, Any]:
    """All columns of a format's rows, in order, in the names of `datasets.Value` types."""
    own = format.columns(wording)
    return {"id": "string", **own, **columns.features} if format.traced else own


def rows_of(
    record: Record,
    format: Format,
    all_instances: bool = False,
    columns: Columns = Columns(),
    wording: Wording = Wording(),
    origin: Origin | None = None,
) -> list[Row]:
    """The rows of one record: of its first instance, or of every one (ids then end in '.1', '.2' ...).

    What the record has cost is shared equally by its rows.
    """
    rows = []
    instances = record.instances if all_instances else record.instances[:1]
    for number, instance in enumerate(instances):
        id = record.id if number == 0 else f"{record.id}.{number}"
        row = format.row(Example(id, record.instruction, instance.input, instance.output), wording)
        if format.traced:
            row = {"id": id, **row, **columns.row(record, number, len(instances), origin)}
        rows.append(row)
    return rows
