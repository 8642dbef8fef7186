"""The section `facets` of a configuration: what tasks should cover. `RunConfig` contains it.

Files are read when the configuration is, so that it holds the values themselves: they count for the run's digest, and
the run needs no file later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema, model_validator

from ..core.errors import ConfigError
from ..core.facets import Dimension, dimensions_of
from ..core.language_tags import canonical_tag
from .fields import Section, Share
from .path_keys import IsPath
from .yaml_file import read_yaml

_MOST_VALUES = 5_000
_GROW = "grow"
_HEADINGS = "headings"
_BROUGHT = ({_GROW}, {_HEADINGS})
_TREES = (".yaml", ".yml")
_JSON = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "object"}]})


def _values(given: Any) -> dict[str, float]:
    """Return the weight of each value of a facet. Raises ValueError.

    given: a list, a mapping of values to weights, a tree of both, or the path of a text file with a value on each line
    or of a YAML file with a tree. Values of a tree are called 'law > tax law'.
    """
    if given == _HEADINGS:
        return {_HEADINGS: 1.0}
    if isinstance(given, str):
        return _values(_read(given))
    if isinstance(given, Mapping) and set(given) == {_GROW}:
        count = given[_GROW]
        if isinstance(count, bool) or not isinstance(count, int | float) or count not in range(2, 501):
            raise ValueError("grow must be a number of values, 2 to 500")
        return {_GROW: float(count)}
    if not isinstance(given, Mapping | list | tuple):
        raise ValueError("must be a list of values, a mapping of values to weights, or a file")
    found: dict[str, float] = {}
    for value, weight in _leaves(given, ""):
        if value in found:
            raise ValueError("names a value twice; name each value once")
        found[value] = weight
    if not found:
        raise ValueError("must not be empty; name at least one value")
    if len(found) > _MOST_VALUES:
        raise ValueError(f"has more than {_MOST_VALUES:,} values; name fewer")
    if not any(found.values()):
        raise ValueError("gives every value the weight 0; give one of them more")
    return found


def _leaves(given: Any, above: str) -> Iterator[tuple[str, float]]:
    """Yield the values in a list, a mapping, or a tree, each with its weight. above: what precedes their names."""
    pairs = given.items() if isinstance(given, Mapping) else ((each, None) for each in given)
    for name, inner in pairs:
        if isinstance(name, Mapping):  # an entry of a list: '- law: [tax law, labor law]'
            yield from _leaves(name, above)
            continue
        if isinstance(name, bool) or not isinstance(name, str | int | float) or not str(name).strip():
            raise ValueError("values must be text; put them in quotes")
        value = above + " ".join(str(name).split())
        if isinstance(inner, Mapping | list | tuple):
            yield from _leaves(inner, f"{value} > ")
        elif inner is None:
            yield value, 1.0
        elif isinstance(inner, bool) or not isinstance(inner, int | float) or not 0 <= inner < float("inf"):
            raise ValueError("a weight must be a number of 0 or more")
        else:
            yield value, float(inner)


def _read(path: str) -> Any:
    """Return the values in a file."""
    if not os.path.exists(path):
        raise ValueError(f"{path}: no such file; write the values as a list, or name a file with one on each line")
    if path.endswith(_TREES):
        try:
            return read_yaml(Path(path))
        except ConfigError as error:
            raise ValueError(str(error)) from None
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path}: can't be read: {error.strerror or error}") from None
    return [line for line in lines if line.strip() and not line.startswith("#")]


def growth_note(name: str, count: int) -> str:
    """Return the name of the note in the journal that holds the values that a teacher has listed for a facet."""
    return f"facet:{name}:{count}"


class FacetsConfig(Section):
    """What tasks should cover. Each other key names a facet, such as topic, kind, difficulty, persona, or register.

    Its values are a list, a mapping of values to weights, or a tree of both; or a file: text with one value on each
    line, or YAML with a tree. {grow: 40} lets the teacher list 40 values, from the seeds. headings: the value of a
    question about a passage is the headings above it.
    """

    model_config = ConfigDict(extra="allow")
    other_keys: ClassVar = (IsPath(),)
    """What is declared about the keys that are not listed below; see `path_keys`."""
    __pydantic_extra__: dict[str, Annotated[dict[str, float], BeforeValidator(_values), _JSON]] = Field(init=False)

    exclude: Annotated[tuple[dict[str, str], ...], Strict(False)] = Field(
        default=(), description="Combinations that must not occur, such as {difficulty: hard, persona: child}."
    )
    verify: Share = Field(
        default=0.0,
        description="Share of the records for which a judge is asked, without being told, which value of each facet "
        "fits; the report has a table of the answers.",
    )

    @property
    def values(self) -> dict[str, dict[str, float]]:
        """The weight of each value, by facet; without the facets whose values a teacher or the documents bring."""
        return {name: values for name, values in self.__pydantic_extra__.items() if values.keys() not in _BROUGHT}

    @property
    def names(self) -> list[str]:
        """The names of all facets."""
        return list(self.__pydantic_extra__)

    @property
    def grown(self) -> dict[str, int]:
        """How many values a teacher is to list, by facet."""
        return {name: int(values[_GROW]) for name, values in self.__pydantic_extra__.items() if _GROW in values}

    @property
    def from_headings(self) -> list[str]:
        """The names of the facets whose values are the headings of documents."""
        return [name for name, values in self.__pydantic_extra__.items() if values == {_HEADINGS: 1.0}]

    @property
    def requested(self) -> list[str]:
        """The names of the facets that prompts ask for: what is above a passage is so anyway."""
        return [name for name in self.names if name not in self.from_headings]

    def with_values(self, found: Mapping[str, Sequence[str]]) -> FacetsConfig:
        """Return the facets with the values that a teacher has listed for some of them."""
        return FacetsConfig.model_validate({**self.model_dump(), **found}) if found else self

    @cached_property
    def dimensions(self) -> list[Dimension]:
        """The facets, those that exclusions couple together."""
        return dimensions_of(self.values, self.exclude)

    @model_validator(mode="after")
    def _check(self) -> FacetsConfig:
        if not self.names:
            raise ValueError("name a facet and its values, such as topic: [tax law, labor law]")
        for name in self.names:
            if not name.isidentifier():
                raise ValueError("the name of a facet is that of a column: letters, digits, and underscores")
        for tag in self.values.get("language", ()):
            if canonical_tag(tag) != tag or tag == "any":
                raise ValueError("language: must be language tags (BCP 47) such as de or fr-CA")
        for combination in self.exclude:
            for name, value in combination.items():
                if value not in self.values.get(name, ()):
                    raise ValueError(f"exclude: names {name}: {value}, which is no value of a facet")
            if not combination:
                raise ValueError("exclude: an empty combination would exclude everything; name facets and values")
        try:
            _ = self.dimensions
        except ValueError as error:
            raise ValueError(f"exclude: {error}") from None
        return self
