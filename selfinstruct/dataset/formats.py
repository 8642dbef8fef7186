"""One dataset row per example, in the columns that each kind of trainer reads.

To add a format, write a function `(record, example, wording) -> dict`, and a line in `FORMATS` with its features; or
name a `Format` of your own in the configuration as `package.module:Name`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..config.fields import Name
from ..config.options import FormatOptions
from ..config.plugins import load_named
from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.records import Example, Record
from .chat_template import load_chat_template
from .preferences import PREFERENCE_FORMATS, check_evidence
from .provenance_columns import PROVENANCE_CONFIG, RowDict
from .rows import CHAT, Format, Wording, message, prompt_messages, prompt_text, row_id
from .wordings import published_prompt


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


def _answer(example: Example, wording: Wording) -> RowDict:
    """Return the message of the answer, with its reasoning if the format asks for it."""
    best = example.responses[0]
    if isinstance(wording.options, ChatOptions) and wording.options.reasoning and best.reasoning:
        return message("assistant", f"<think>\n{best.reasoning.strip()}\n</think>\n\n{best.text}")
    return message("assistant", best.text)


def _messages(record: Record, example: Example, wording: Wording) -> RowDict:
    return {"messages": [*prompt_messages(example, wording), _answer(example, wording)]}


def _prompt_completion(record: Record, example: Example, wording: Wording) -> RowDict:
    if not wording.published_prompts:
        return {"prompt": prompt_text(record, example, wording), "completion": example.output}
    id = row_id(record, record.examples.index(example))
    pair = published_prompt(id, wording.random_seed, record.instruction, example.given, example.output)
    system = f"{wording.system_prompt}\n\n" if wording.system_prompt else ""
    return {"prompt": system + pair.prompt, "completion": pair.completion}


def _prompt_completion_chat(record: Record, example: Example, wording: Wording) -> RowDict:
    return {"prompt": prompt_messages(example, wording), "completion": [_answer(example, wording)]}


def _system_column(wording: Wording) -> RowDict:
    return {"system": "string"} if wording.system_prompt else {}


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


FORMATS: dict[str, Format] = {
    "messages": Format(_messages, {"messages": CHAT}, Options=ChatOptions),
    "prompt_completion": Format(
        _prompt_completion, {"prompt": "string", "completion": "string"}, Options=PromptCompletionOptions
    ),
    "prompt_completion_chat": Format(
        _prompt_completion_chat, {"prompt": CHAT, "completion": CHAT}, Options=ChatOptions
    ),
    "alpaca": Format(_alpaca, {"instruction": "string", "input": "string", "output": "string"}, more=_system_column),
    "sharegpt": Format(_sharegpt, {"conversations": [{"from": "string", "value": "string"}]}, Options=ChatOptions),
    "openai": Format(_messages, {"messages": CHAT}, traced=False, lines=True, Options=ChatOptions),
    "text": Format(_text, {"text": "string"}, Options=TextOptions),
    **PREFERENCE_FORMATS,
}


def formats_of(config: RunConfig) -> dict[str, tuple[Format, Wording]]:
    """Return the configured formats by the names of their dataset configs, each with its wording, in order.

    Raises:
        ConfigError: An unknown format, one of your own that can't be imported, a chat template that can't be used, or
            a format of preferences in a run that has none.
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
        options = chosen.Options.of(given)
        check_evidence(config, kind, options)
        found[name] = (chosen, _wording_of(config, options))
    return found


def config_name(kind: str) -> str:
    """Return the name of a format's dataset config: 'alpaca', or 'Mine' for 'package.module:Mine'."""
    return kind.rpartition(":")[2]


def _wording_of(config: RunConfig, options: FormatOptions) -> Wording:
    published = isinstance(options, PromptCompletionOptions) and options.prompt_style == "published"
    system, every = config.dataset.system_prompt, config.dataset.instances == "all"
    template = load_chat_template(options.chat_template, system) if isinstance(options, TextOptions) else None
    marked = config.judge is not None and not config.judge.compare
    return Wording(system, published, config.random_seed, template, options, every, marked)
