"""Prompt wording: data in one YAML file per language, hashed into every record.

A file of your own (`prompts: my.yaml` in the configuration) needs the same keys; `{braces}` mark the
places that are filled in, and are replaced literally: no template language runs over what a model wrote.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from ..config import RunConfig
from ..errors import ConfigError
from ..schema import Sampling

SHIPPED = {"en": "en.yaml", "zh": "zh.yaml", "any": "en.yaml"}


class Wording:
    """The wording of one strategy in one language. `wording["key"]` is a text; `digest` its version."""

    def __init__(self, texts: dict[str, Any], source: str, published: dict[str, Sampling]) -> None:
        self._texts = texts
        self._source = source
        content = [texts, {name: asdict(value) for name, value in published.items()}]
        whole = json.dumps(content, sort_keys=True, ensure_ascii=False)
        self.digest = hashlib.sha256(whole.encode()).hexdigest()[:12]

    def __getitem__(self, key: str) -> str:
        value = self._texts.get(key)
        if not isinstance(value, str):
            raise ConfigError(f"prompts: {self._source}: '{key}' must be a text")
        return value

    def fill(self, key: str, **values: str) -> str:
        """The text at `key` with every {name} of `values` replaced, in one pass."""
        text = self[key]
        parts = []
        while True:
            start = text.find("{")
            end = text.find("}", start)
            if start < 0 or end < 0:
                return "".join(parts) + text
            name = text[start + 1 : end]
            parts += [text[:start], values.get(name, text[start : end + 1])]
            text = text[end + 1 :]

    def examples(self, key: str) -> list[dict[str, Any]]:
        """The few-shot examples at `key`."""
        value = self._texts.get(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ConfigError(f"prompts: {self._source}: '{key}' must be a list of examples")
        return value


def load_wording(config: RunConfig, strategy: str, published: dict[str, Sampling]) -> Wording:
    """The wording for `strategy`: the shipped file of the language, or the user's. Raises ConfigError."""
    if config.prompts is None:
        source = SHIPPED[config.language]
        texts = _shipped(source)
    else:
        source = config.prompts
        try:
            texts = yaml.safe_load(Path(source).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"prompts: {source}: can't be read: {str(error).splitlines()[0]}") from None
    section = texts.get(strategy) if isinstance(texts, dict) else None
    if not isinstance(section, dict):
        raise ConfigError(f"prompts: {source}: has no section '{strategy}'")
    return Wording(section, source, published)


@lru_cache
def _shipped(name: str) -> Any:
    text = (resources.files(__package__) / "prompts" / name).read_text(encoding="utf-8")
    return yaml.safe_load(text)
