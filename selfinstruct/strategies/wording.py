"""Prompt wording: data in one YAML file per language, hashed into every record.

A file of your own (`prompts: my.yaml` in the configuration) needs the same keys with the same `{places}`,
which are filled literally: no template language runs over what a model wrote.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from ..config.options import StrategyOptions
from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.prompts import Sampling
from ..core.shipped import shipped_yaml

SHIPPED = {"en": "en.yaml", "zh": "zh.yaml", "any": "en.yaml"}

_PLACE = re.compile(r"\{([a-z]+)\}")
_FIELD_LINE = re.compile(r"^([^\n{}]*?)[ \t]*[:：][ \t]*\{(instruction|input|output|label)\}", re.MULTILINE)
_FIELD_KEYS = ("demo", "input", "output", "label")


class Wording:
    """The wording of one strategy in one language. `wording["key"]` is a text; `digest` its version."""

    def __init__(self, texts: dict[str, Any], source: str, published: dict[str, Sampling]) -> None:
        self._texts = texts
        self._source = source
        content = [texts, {name: asdict(value) for name, value in published.items()}]
        whole = json.dumps(content, sort_keys=True, ensure_ascii=False)
        self.digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def __getitem__(self, key: str) -> str:
        value = self._texts.get(key)
        if not isinstance(value, str):
            raise ConfigError(f"prompts: {self._source}: '{key}' must be a text; put it in quotes")
        return value

    def fill(self, key: str, **values: str) -> str:
        """The text at `key` with every {name} of `values` replaced, in one pass; other braces stay as they are."""
        return _PLACE.sub(lambda place: values.get(place[1], place[0]), self[key])

    def before(self, key: str) -> str:
        """What stands before the first {place} of the text at `key`: the mark that opens such a line."""
        return _PLACE.split(self[key], maxsplit=1)[0].strip()

    def examples(self, key: str) -> list[dict[str, Any]]:
        """The few-shot examples at `key`."""
        value = self._texts.get(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ConfigError(f"prompts: {self._source}: '{key}' must be a list of examples")
        return value

    @cached_property
    def fields(self) -> dict[str, str]:
        """How this wording calls the fields of a task, in lower case: {'eingabe': 'input', ...}."""
        texts = [self[key] for key in _FIELD_KEYS if key in self._texts]
        found = [match for text in texts for match in _FIELD_LINE.finditer(text)]
        return {match[1].strip().lower(): match[2] for match in found if match[1].strip()}


def load_wording(config: RunConfig, strategy: str, published: dict[str, Sampling]) -> Wording:
    """The wording for `strategy`: the shipped file of the language, or the user's.

    Raises ConfigError when the file can't be read, or lacks a key, a place or a part of an example that
    the shipped one has: a run must not find that out after it has been paid for.
    """
    options = config.strategy
    own = options.prompts if isinstance(options, StrategyOptions) else None
    source = own or SHIPPED[config.language]
    texts = _shipped(source) if own is None else _read(source)
    section = texts.get(strategy) if isinstance(texts, dict) else None
    if not isinstance(section, dict):
        raise ConfigError(f"prompts: {source}: has no section '{strategy}'; write one like in the shipped en.yaml")
    wording = Wording(section, source, published)
    if own is not None:
        _compare(wording, _shipped("en.yaml")[strategy], source)
    return wording


def _read(source: str) -> Any:
    try:
        return yaml.safe_load(Path(source).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"prompts: {source}: can't be read: {str(error).splitlines()[0]}") from None


def _compare(wording: Wording, shipped: dict[str, Any], source: str) -> None:
    """Raise ConfigError for the first key in which a user's wording falls short of the shipped one."""
    for key, theirs in shipped.items():
        if isinstance(theirs, str):
            missing = sorted(set(_PLACE.findall(theirs)) - set(_PLACE.findall(wording[key])))
            if missing:
                raise ConfigError(f"prompts: {source}: '{key}' lacks {{{missing[0]}}}; say where it belongs")
            continue
        for example in wording.examples(key):
            if _shape(example) != _shape(theirs[0]):
                raise ConfigError(
                    f"prompts: {source}: '{key}': each example needs the keys {', '.join(theirs[0])}, "
                    "filled in as in the shipped en.yaml"
                )


def _shape(example: Any) -> Any:
    """The keys of an example and of the examples inside it; every value a text."""
    if isinstance(example, list):
        shapes = [_shape(item) for item in example]
        return shapes[0] if shapes and all(shape == shapes[0] for shape in shapes) else None
    if isinstance(example, dict):
        return {key: _shape(value) for key, value in example.items()}
    return isinstance(example, str)


@lru_cache
def _shipped(name: str) -> Any:
    return shipped_yaml(__package__, "prompts", name)
