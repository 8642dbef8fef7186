"""Chat templates: messages into the one text that a chat model is trained on.

Rendered as `transformers` 5 does it in `apply_chat_template(tokenize=False)`, letter for letter
(tests/test_trainer.py), but for `bos_token`, which is empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import ConfigError
from ..core.paths import expand
from ..core.suggest import closest
from .template_sandbox import TemplateFailed, render, template_process

_SHIPPED = Path(__file__).parent / "templates"
TEMPLATES = tuple(sorted(path.stem for path in _SHIPPED.glob("*.jinja")))
"""The names of the templates that ship."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A template and the special tokens that it may name (eos_token ...); bos_token is always empty, because every
    trainer's tokenizer writes it itself when it reads a text."""

    name: str
    source: str
    tokens: Mapping[str, str]

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The text of a conversation. Raises ConfigError with the template's name and line if it can't be rendered."""
        values = {
            "messages": [dict(message) for message in messages],
            "tools": None,
            "documents": None,
            "add_generation_prompt": False,
            **self.tokens,
            "bos_token": "",
        }
        try:
            if self.name in TEMPLATES:
                return render(self.source, values)
            return template_process(self.source).render(values)
        except TemplateFailed as error:
            place = self.name if error.line is None else f"{self.name}:{error.line}"
            problem = " ".join(str(error).split())[:300].rstrip(".")
            raise ConfigError(f"dataset.formats: chat_template: {place}: {problem}; correct the template") from None


def load_chat_template(name: str, system: str | None = None) -> ChatTemplate:
    """A template that ships by its name, or that of a file: `.jinja`, or `tokenizer_config.json` of a model.

    Raises ConfigError: no such template, an unreadable file, a template that can't render a short conversation, which
    begins with the system message `system`, if there is one.
    """
    if name in TEMPLATES:
        template = ChatTemplate(name, (_SHIPPED / f"{name}.jinja").read_text(encoding="utf-8"), {})
    elif name.endswith(".json"):
        template = _of_tokenizer(name, _read(name))
    elif name.endswith((".jinja", ".jinja2")):
        template = ChatTemplate(name, _read(name), {})
    else:
        guess = closest(name, TEMPLATES)
        hint = f"did you mean {guess!r}?" if guess else f"one of {', '.join(TEMPLATES)}, or a file"
        raise ConfigError(f"dataset.formats: chat_template: {name!r} is unknown; {hint} (.jinja or .json)")
    rules = [{"role": "system", "content": system}] if system else []
    template.render([*rules, {"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}])
    return template


def _read(name: str) -> str:
    try:
        return Path(expand(name)).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"dataset.formats: chat_template: {name}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"dataset.formats: chat_template: {name}: not UTF-8") from None


def _of_tokenizer(name: str, text: str) -> ChatTemplate:
    """The template and the tokens of a tokenizer_config.json; newer models keep the template in a file beside it."""
    try:
        values = json.loads(text)
    except ValueError:
        raise ConfigError(f"dataset.formats: chat_template: {name}: not valid JSON") from None
    source = values.get("chat_template") if isinstance(values, dict) else None
    if isinstance(source, list):  # several templates with names
        source = next((item.get("template") for item in source if item.get("name") == "default"), None)
    beside = Path(expand(name)).with_name("chat_template.jinja")
    if source is None and beside.exists():
        source = _read(str(beside))
    if not isinstance(source, str):
        raise ConfigError(
            f"dataset.formats: chat_template: {name}: holds no chat_template; name one that does, or a .jinja file"
        )
    tokens = {key: value for key, value in values.items() if key.endswith("_token")}
    tokens = {key: value.get("content") if isinstance(value, dict) else value for key, value in tokens.items()}
    return ChatTemplate(name, source, {key: value for key, value in tokens.items() if isinstance(value, str)})
