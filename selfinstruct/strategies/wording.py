"""Load the wording of prompts from one YAML file per language; a hash of the wording is part of every record.

A language without a file of its own gets the English one, which then asks for it by name (`core/language_tags.py`).

Your own file (`strategy.prompts` in the configuration) needs the same keys with the same `{placeholders}`. The section
`task` introduces the configuration's `task`, and `facets` what a question asks for; each counts only if the
configuration has it, so a run without keeps its version.
Placeholders are filled literally: no template language runs over text that a model wrote.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ..config.options import StrategyOptions
from ..config.run_config import RunConfig
from ..config.yaml_file import read_yaml
from ..core.errors import ConfigError
from ..core.language_tags import in_language, language_name, with_answers, wording_language
from ..core.prompts import Endpoint, Sampling
from ..core.shipped import PLACEHOLDER, fill_in, shipped_yaml

# '{instruction}'
# 'Input: {input}', '指令：{instruction}': a line that names a field
_FIELD_LINE = re.compile(r"^([^\n{}]*?)[ \t]*[:：][ \t]*\{(instruction|input|output|label)\}", re.MULTILINE)
_FIELD_KEYS = ("demo", "input", "output", "label")


class PromptWording:
    """The wording of one strategy in one language: `wording["key"]` is a text, `digest` the version of all texts."""

    def __init__(self, texts: dict[str, Any], source: str, published: dict[str, Sampling], config: RunConfig) -> None:
        """Hash the wording together with the published sampling parameters.

        Args:
            texts: The strategy's section of the YAML file, and the sections `task` and `facets` if there are any.
            source: The file's name, for error messages.
            published: The published sampling parameters by purpose.
            config: Its task is what every proposal is about; its facets, what each of them asks for.
        """
        self._texts = texts
        self.source = source
        self._task, self.language = config.task, "en" if source == "en.yaml" else wording_language(config.language)
        self._facets = tuple(config.facets.requested) if config.facets is not None else ()
        # Both decide what a teacher writes, so a change of either is a new version.
        content = [texts, {name: asdict(value) for name, value in published.items()}]
        whole = json.dumps(content, sort_keys=True, ensure_ascii=False)
        self.digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def __getitem__(self, key: str) -> str:
        value = self._texts.get(key)
        if not isinstance(value, str):
            raise ConfigError(f"strategy.prompts: {self.source}: '{key}' must be a text; put it in quotes")
        return value

    def fill(self, key: str, **values: str) -> str:
        """Return the text at `key` with every {name} of `values` replaced, in one pass; other braces stay unchanged."""
        return fill_in(self[key], values)

    def rules(self, key: str, endpoint: Endpoint) -> str:
        """Return the text at `key`, which opens a proposal, and below it the configuration's task if there is one.

        The blank lines that end the text end the result, too.
        """
        rules = self[key]
        if self._task is None:
            return rules
        body, task = rules.rstrip("\n"), self.fill(f"task_{endpoint}", task=self._task.strip())
        return f"{body}\n\n{task.strip()}{rules[len(body) :]}"

    def steer(self, facets: Mapping[str, str], endpoint: Endpoint) -> str:
        """Return the lines that say what the new tasks are to be, by the facets that the configuration has."""
        lines = ""
        for name in (name for name in self._facets if name in facets):
            key, value = "facets_line", facets[name]
            if name == "language":
                key, value = "facets_language", language_name(value, self.language)
            lines += self.fill(key, name=name.replace("_", " "), value=value)
        return self.fill(f"facets_{endpoint}", facets=lines) if lines else ""

    @property
    def answer_rule(self) -> str:
        """The rule for a request for an answer alone: its language, if `answer_languages` names some; else ''."""
        return str(self._texts.get("answer_rule", ""))

    def before(self, key: str) -> str:
        """Return what precedes the first placeholder of the text at `key`: 'Task:' for 'Task: {instruction}'."""
        return PLACEHOLDER.split(self[key], maxsplit=1)[0].strip()

    def examples(self, key: str) -> list[dict[str, Any]]:
        """Return the few-shot examples at `key`."""
        value = self._texts.get(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ConfigError(f"strategy.prompts: {self.source}: '{key}' must be a list of examples")
        return value

    @cached_property
    def fields(self) -> dict[str, str]:
        """The names of a task's fields in this wording, in lower case: {'eingabe': 'input', ...}."""
        # 'Eingabe: {input}' in one of the texts names a field.
        texts = [self[key] for key in _FIELD_KEYS if key in self._texts]
        found = [match for text in texts for match in _FIELD_LINE.finditer(text)]
        return {match[1].strip().lower(): match[2] for match in found if match[1].strip()}


def load_wording(config: RunConfig, strategy: str, published: dict[str, Sampling]) -> PromptWording:
    """Load the wording of a strategy from the user's file, or from the shipped file of the language.

    Args:
        config: Names the user's file or the language.
        strategy: The section of the file.
        published: The published sampling parameters by purpose; part of the digest.

    Raises:
        ConfigError: The file can't be read, or lacks a key, a placeholder, or a part of an example that the shipped
            file has. Checking here avoids a failure after requests have been paid for.
    """
    options = config.strategy
    own = options.prompts if isinstance(options, StrategyOptions) else None
    shipped = f"{wording_language(config.language)}.yaml"
    # A strategy that is not worded in this language yet asks in English, and says which language it wants itself.
    source = own or (shipped if strategy in _load_shipped(shipped) else "en.yaml")
    named = {"task": config.task, "facets": config.facets}
    # A strategy may word the common parts in its own way, so its section counts last.
    names = [*(name for name, value in named.items() if value is not None), strategy]
    texts = _sections(_load_shipped(source) if own is None else _read(source), names, source)
    # What such a strategy puts into rows itself is in the language all the same.
    if source == "en.yaml":
        texts |= _load_shipped(shipped).get(f"{strategy}_rows", {})
    # A user's file says itself which language it asks for; `init --prompts` writes one that does.
    if own is None and source == shipped:
        texts = in_language(texts, strategy, config.language)
    texts = with_answers(texts, strategy, config.language, config.answer_languages)
    wording = PromptWording(texts, source, published, config)
    # The English file is the reference for a user's file in any language.
    if own is not None:
        _compare(wording, _sections(_load_shipped("en.yaml"), names, "en.yaml"), source)
    return wording


def _sections(texts: Any, names: Sequence[str], source: str) -> dict[str, Any]:
    """Return the keys of the named sections of a prompt file together. Raises ConfigError if one is missing."""
    found: dict[str, Any] = {}
    for name in names:
        section = texts.get(name) if isinstance(texts, dict) else None
        if not isinstance(section, dict):
            raise ConfigError(
                f"strategy.prompts: {source}: has no section '{name}'; write one as in the shipped en.yaml"
            )
        found |= section
    return found


def _read(source: str) -> Any:
    try:
        return read_yaml(Path(source), "selfinstruct init --prompts")
    except ConfigError as error:
        raise ConfigError(f"strategy.prompts: {error}") from None


def _compare(wording: PromptWording, shipped: dict[str, Any], source: str) -> None:
    """Raise ConfigError for the first key that is incomplete in a user's wording.

    Args:
        wording: The user's wording.
        shipped: The texts and examples of the shipped wording.
        source: The user's file, for the message.
    """
    for key, reference in shipped.items():
        # A text needs every placeholder of the reference: '{number}. {instruction}'.
        if isinstance(reference, str):
            missing = sorted(set(PLACEHOLDER.findall(reference)) - set(PLACEHOLDER.findall(wording[key])))
            if missing:
                raise ConfigError(
                    f"strategy.prompts: {source}: '{key}' lacks {{{missing[0]}}}; add it where it belongs"
                )
            continue
        # A list needs examples of the same shape: {task: ..., examples: [{input: ..., output: ...}]}.
        for example in wording.examples(key):
            if _shape(example) != _shape(reference[0]):
                raise ConfigError(
                    f"strategy.prompts: {source}: '{key}': each example needs the keys {', '.join(reference[0])}, "
                    "filled in as in the shipped en.yaml"
                )


def _shape(example: Any) -> Any:
    """Return the keys of an example and of the examples nested in it; a text is True, anything else False."""
    # A nested list has a shape only if all of its items have the same.
    if isinstance(example, list):
        shapes = [_shape(item) for item in example]
        return shapes[0] if shapes and all(shape == shapes[0] for shape in shapes) else None
    if isinstance(example, dict):
        return {key: _shape(value) for key, value in example.items()}
    return isinstance(example, str)


@lru_cache
def _load_shipped(name: str) -> Any:
    return shipped_yaml(__package__, "prompts", name)
