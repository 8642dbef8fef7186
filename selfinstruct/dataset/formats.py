"""One dataset row per example, in the columns that each kind of trainer reads.

To add a format, write a function `(record, example, wording) -> dict`, and a line in `FORMATS` with its features; or
name a `Format` of your own in the configuration as `package.module:Name`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from ..config.options import FormatOptions
from ..config.path_keys import TemplateName
from ..config.plugins import load_named
from ..config.run_config import RunConfig
from ..core.chat_template import load_chat_template
from ..core.errors import ConfigError
from ..core.records import Example, Record
from .preference_formats import PREFERENCE_FORMATS, check_evidence
from .provenance_columns import PROVENANCE_CONFIG, RowDict
from .reward_formats import REWARD_FORMATS, check_ground_truths
from .rows import (
    CHAT,
    ChatOptions,
    Format,
    Wording,
    answer_messages,
    prompt_messages,
    prompt_text,
    published_prompt,
    row_id,
)


class DialogueOptions(ChatOptions):
    """formats `messages`, `sharegpt`, and `openai`."""

    loss: Literal["all", "last"] = Field(
        default="all",
        description="all: trainers learn from every answer of a dialogue; last: mark the last one as the only one.",
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
    chat_template: TemplateName = Field(
        default="chatml",
        description="chatml | gemma | llama3 | mistral | qwen2.5 | zephyr | a .jinja file | a tokenizer_config.json.",
    )


def _conversation(example: Example, wording: Wording) -> list[RowDict]:
    return [*prompt_messages(example, wording), *answer_messages(example.responses[0], wording)]


def _last_only(wording: Wording) -> bool:
    return isinstance(wording.options, DialogueOptions) and wording.options.loss == "last"


def _messages(record: Record, example: Example, wording: Wording) -> RowDict:
    *before, answer = _conversation(example, wording)
    # Axolotl's `message_field_training` reads whether to learn from a message.
    if _last_only(wording):
        return {"messages": [*(each | {"train": False} for each in before), answer | {"train": True}]}
    return {"messages": [*before, answer]}


def _openai(record: Record, example: Example, wording: Wording) -> RowDict:
    *before, answer = _conversation(example, wording)
    # OpenAI learns from every answer, unless its weight is 0; only answers may have one.
    if _last_only(wording):
        before = [each | ({"weight": 0} if each["role"] == "assistant" else {}) for each in before]
        answer["weight"] = 1
    return {"messages": [*before, answer]}


def _prompt_completion(record: Record, example: Example, wording: Wording) -> RowDict:
    if wording.dialogues or not wording.published_prompts:
        return {"prompt": prompt_text(record, example, wording), "completion": example.output}
    id = row_id(record, record.examples.index(example))
    pair = published_prompt(id, wording.random_seed, record.instruction, example.given, example.output)
    system = f"{wording.system_prompt}\n\n" if wording.system_prompt else ""
    return {"prompt": system + pair.prompt, "completion": pair.completion}


def _prompt_completion_chat(record: Record, example: Example, wording: Wording) -> RowDict:
    return {"prompt": prompt_messages(example, wording), "completion": answer_messages(example.responses[0], wording)}


def _alpaca_columns(wording: Wording) -> RowDict:
    history = {"history": [["string"]]} if wording.dialogues else {}
    return history | ({"system": "string"} if wording.system_prompt else {})


def _alpaca(record: Record, example: Example, wording: Wording) -> RowDict:
    row: RowDict = {"instruction": record.instruction, "input": example.given, "output": example.output}
    if len(example.messages) > 1:
        row |= {"instruction": example.messages[-1].content, "input": ""}
    # LLaMA-Factory reads the turns before the last one in pairs.
    if wording.dialogues:
        said = [each.content for each in example.messages[:-1]]
        row["history"] = [list(pair) for pair in zip(said[::2], said[1::2], strict=True)]
    return row | ({"system": wording.system_prompt} if wording.system_prompt else {})


_SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt"}


def _sharegpt(record: Record, example: Example, wording: Wording) -> RowDict:
    messages = _messages(record, example, wording)["messages"]
    return {
        "conversations": [{"from": _SHAREGPT_ROLES[m.pop("role")], "value": m.pop("content"), **m} for m in messages]
    }


def _text(record: Record, example: Example, wording: Wording) -> RowDict:
    template = wording.template or load_chat_template("chatml")
    return {"text": template.render(_conversation(example, wording))}


def _marked(name: str, *keys: str, mark: str = "train", kind: str = "bool") -> Callable[[Wording], Mapping[str, Any]]:
    """Return the column of the messages if each says whether to learn from it."""
    marked = {**dict.fromkeys(keys, "string"), mark: kind}
    return lambda wording: {name: [marked]} if _last_only(wording) else {}


FORMATS: dict[str, Format] = {
    "messages": Format(_messages, {"messages": CHAT}, _marked("messages", "role", "content"), Options=DialogueOptions),
    "prompt_completion": Format(
        _prompt_completion, {"prompt": "string", "completion": "string"}, Options=PromptCompletionOptions
    ),
    "prompt_completion_chat": Format(
        _prompt_completion_chat, {"prompt": CHAT, "completion": CHAT}, Options=ChatOptions
    ),
    "alpaca": Format(_alpaca, {"instruction": "string", "input": "string", "output": "string"}, more=_alpaca_columns),
    "sharegpt": Format(
        _sharegpt,
        {"conversations": [{"from": "string", "value": "string"}]},
        _marked("conversations", "from", "value"),
        Options=DialogueOptions,
    ),
    "openai": Format(
        _openai,
        {"messages": CHAT},
        _marked("messages", "role", "content", mark="weight", kind="int64"),
        traced=False,
        lines=True,
        Options=DialogueOptions,
    ),
    "text": Format(_text, {"text": "string"}, Options=TextOptions),
    **PREFERENCE_FORMATS,
    **REWARD_FORMATS,
}


def formats_of(config: RunConfig, records: Iterable[Record] = ()) -> dict[str, tuple[Format, Wording]]:
    """Return the configured formats by the names of their dataset configs, each with its wording, in order.

    records: what the rows are made of; a strategy may write dialogues, too.

    Raises:
        ConfigError: An unknown format, one of your own that can't be imported, a chat template that can't be used, or
            a format of preferences or rewards in a run that has none.
    """
    found: dict[str, tuple[Format, Wording]] = {}
    dialogues = config.answers is not None and config.answers.turns > 1
    dialogues = dialogues or any(len(each.messages) > 1 for record in records for each in record.examples)
    for kind, given in config.dataset.format_options.items():
        chosen = load_named(kind, FORMATS, "dataset.formats")
        if not isinstance(chosen, Format):
            raise ConfigError(f"dataset.formats: {kind} is not a `selfinstruct.Format`")
        name = config_name(kind)
        if name in found or name == PROVENANCE_CONFIG:
            raise ConfigError(
                f"dataset.formats: two dataset configs would be called {name!r}; rename the format {kind}"
            )
        options = chosen.Options.of(given)
        check_evidence(config, kind, options)
        check_ground_truths(config, kind)
        found[name] = (chosen, _wording_of(config, options, dialogues))
    return found


def config_name(kind: str) -> str:
    """Return the name of a format's dataset config: 'alpaca', or 'Mine' for 'package.module:Mine'."""
    return kind.rpartition(":")[2]


def _wording_of(config: RunConfig, options: FormatOptions, dialogues: bool) -> Wording:
    published = isinstance(options, PromptCompletionOptions) and options.prompt_style == "published"
    system, every = config.dataset.system_prompt, config.dataset.instances == "all"
    template = load_chat_template(options.chat_template, system) if isinstance(options, TextOptions) else None
    marked = config.judge is not None and not config.judge.compare
    return Wording(system, published, config.random_seed, template, options, every, marked, dialogues)
