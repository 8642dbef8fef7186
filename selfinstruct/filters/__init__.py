"""Cheap checks on what a teacher wrote, each with the name of its reason.

To add one: a class like those in `instruction`, and a line in `instruction_filters`; or name your own in
the configuration under `filters.custom` as `package.module:Name`. It is called with the configuration.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..config import RunConfig
from ..plugins import load_named
from ..schema import Candidate, Verdict
from .instances import keep_instances
from .instruction import AsciiStart, Keywords, Length, Prefixes, PunctuationStart, Truncated

__all__ = ["Filter", "instruction_filters", "keep_instances"]


class Filter(Protocol):
    """A check that needs nothing but the candidate."""

    def check(self, candidate: Candidate) -> Verdict:
        """`PASS`, or a verdict that names its reason in snake_case."""


def instruction_filters(config: RunConfig) -> list[Filter]:
    """The filters that `config.filters` asks for, in the order in which they are tried."""
    settings, language = config.filters, config.language
    filters: list[Filter] = [Truncated()]
    if settings.min_words is not None or settings.max_words is not None:
        filters.append(Length(settings.min_words or 0, settings.max_words, language))
    if settings.keywords:
        filters.append(Keywords(language, None if settings.keywords is True else settings.keywords))
    if settings.prefixes:
        filters.append(Prefixes(language, None if settings.prefixes is True else settings.prefixes))
    if settings.punctuation_start:
        filters.append(PunctuationStart())
    if settings.ascii_start if settings.ascii_start is not None else language == "en":
        filters.append(AsciiStart())
    for name in settings.custom:
        made: Any = load_named(name, {}, "filters.custom")(config)
        filters.append(made)
    return filters
