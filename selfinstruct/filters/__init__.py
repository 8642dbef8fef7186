"""Cheap checks on what a teacher wrote, each with the name of its reason.

To add one: a class like those in `instruction`, and a line in `instruction_filters`; or name your own in
the configuration under `filters.custom` as `package.module:Name`. It is called with the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from ..config import RunConfig
from ..errors import ConfigError
from ..plugins import load_named
from ..schema import Candidate, Verdict
from .instances import keep_instances
from .instruction import AsciiStart, Keywords, Length, Prefixes, PunctuationStart, Truncated

__all__ = ["Filter", "instruction_filters", "keep_instances", "name_of"]


class Filter(Protocol):
    """A check that needs nothing but the candidate."""

    def check(self, candidate: Candidate) -> Verdict:
        """`PASS`, or a verdict that names its reason in snake_case."""


def instruction_filters(config: RunConfig) -> list[Filter]:
    """The filters that `config.filters` asks for, in the order in which they are tried.

    Raises ConfigError for a custom one that can't be imported or built.
    """
    settings, language = config.filters, config.language
    filters: list[Filter] = [Truncated()]
    if settings.min_words is not None or settings.max_words is not None:
        filters.append(Length(settings.min_words or 0, settings.max_words, language))
    if settings.keywords:
        filters.append(Keywords(language, _listed(settings.keywords)))
    if settings.prefixes:
        filters.append(Prefixes(language, _listed(settings.prefixes)))
    if settings.punctuation_start:
        filters.append(PunctuationStart())
    if settings.ascii_start if settings.ascii_start is not None else language == "en":
        filters.append(AsciiStart())
    return filters + [_custom(name, config) for name in settings.custom]


def name_of(check: Filter) -> str:
    """What a filter is called where it is listed: its class in snake_case, 'punctuation_start'."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(check).__name__).lower()


def _listed(setting: bool | Sequence[str]) -> Sequence[str] | None:
    """The user's own list, or None for the language's."""
    return None if isinstance(setting, bool) else setting


def _custom(name: str, config: RunConfig) -> Filter:
    build = load_named(name, {}, "filters.custom")
    try:
        made: Filter = build(config)
    except Exception as error:  # the user's own code may raise anything
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"filters.custom: {name!r} can't be called with the configuration: {what}") from error
    if not callable(getattr(made, "check", None)):
        raise ConfigError(f"filters.custom: {name!r} gives no object with a method check(candidate)")
    return made
