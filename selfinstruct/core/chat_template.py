"""Chat templates: messages into the one text that a chat model is trained on, and asked with.

The format `text` renders its rows with them. They are rendered as `transformers` 5 does it in
`apply_chat_template(tokenize=False)`, letter for letter (tests/trainers/test_trainer.py), but for `bos_token`, which is
empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import ConfigError
from .paths import expand
from .suggest import closest
from .template_sandbox import TemplateFailed, render, template_process

KEY = "dataset.formats: chat_template"
_SHIPPED = Path(__file__).parent / "templates"
TEMPLATES = tuple(sorted(path.stem for path in _SHIPPED.glob("*.jinja")))
"""The names of the templates that ship."""


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A template and the special tokens that it may name (eos_token ...); bos_token is always empty, because every
    tokenizer writes it itself when it reads a text. key: of the configuration that names the template."""

    name: str
    source: str
    tokens: Mapping[str, str]
    key: str = KEY

    def render(self, messages: Sequence[Mapping[str, str]], *, generation_prompt: bool = False) -> str:
        """The text of a conversation. Raises ConfigError with the template's name and line if it can't be rendered.

        generation_prompt: whether the text ends with the opening of the assistant's turn.
        """
        values = {
            "messages": [dict(message) for message in messages],
            "tools": None,
            "documents": None,
            "add_generation_prompt": generation_prompt,
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
            raise ConfigError(f"{self.key}: {place}: {problem}; correct the template") from None


def load_chat_template(name: str, system: str | None = None, key: str = KEY) -> ChatTemplate:
    """A template that ships by its name, or that of a file: `.jinja`, or `tokenizer_config.json` of a model.

    Raises ConfigError, which begins with `key`: no such template, an unreadable file, a template that can't render a
    short conversation, which begins with the system message `system`, if there is one.
    """
    if name in TEMPLATES:
        template = ChatTemplate(name, (_SHIPPED / f"{name}.jinja").read_text(encoding="utf-8"), {}, key)
    elif name.endswith(".json"):
        template = _of_tokenizer(name, key)
    elif name.endswith((".jinja", ".jinja2")):
        template = ChatTemplate(name, _read(name, key), {}, key)
    else:
        guess = closest(name, TEMPLATES)
        hint = f"did you mean {guess!r}?" if guess else f"one of {', '.join(TEMPLATES)}, or a file"
        raise ConfigError(f"{key}: {name!r} is unknown; {hint} (.jinja or .json)")
    rules = [{"role": "system", "content": system}] if system else []
    template.render([*rules, {"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}])
    return template


def _read(name: str, key: str) -> str:
    try:
        return Path(expand(name)).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{key}: {name}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{key}: {name}: not UTF-8") from None


def _of_tokenizer(name: str, key: str) -> ChatTemplate:
    """The template and the tokens of a tokenizer_config.json; newer models keep the template in a file beside it."""
    try:
        values = json.loads(_read(name, key))
    except ValueError:
        raise ConfigError(f"{key}: {name}: not valid JSON") from None
    source = values.get("chat_template") if isinstance(values, dict) else None
    if isinstance(source, list):  # several templates with names
        source = next((item.get("template") for item in source if item.get("name") == "default"), None)
    beside = Path(expand(name)).with_name("chat_template.jinja")
    if source is None and beside.exists():
        source = _read(str(beside), key)
    if not isinstance(source, str):
        raise ConfigError(f"{key}: {name}: holds no chat_template; name one that does, or a .jinja file")
    tokens = {key: value for key, value in values.items() if key.endswith("_token")}
    tokens = {key: value.get("content") if isinstance(value, dict) else value for key, value in tokens.items()}
    return ChatTemplate(name, source, {key: value for key, value in tokens.items() if isinstance(value, str)}, key)
