"""The base class of configuration sections, and the types of their keys. Every section uses them.

The annotation of each key also declares when the key may change in an existing run: `Free`, `PerGeneration` or
`Refilterable`. A key inherits the declaration of its section. Any other key needs a new run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict

from ..core.paths import is_hub_name, is_there


class MayChange(Enum):
    """When the value of a key may change in an existing run."""

    AT_ANY_START = "at any start"
    WITH_A_GENERATION = "with a new generation"
    WITH_A_REFILTER = "with a refilter"
    WITH_A_NEW_RUN = "with a new run"


T = TypeVar("T")
Free = Annotated[T, MayChange.AT_ANY_START]  # not part of the config digest
PerGeneration = Annotated[T, MayChange.WITH_A_GENERATION]
Refilterable = Annotated[T, MayChange.WITH_A_REFILTER]

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Dollars = Annotated[float, Field(ge=0.0)]
# 500, or '+500' for 500 more records at each start.
Target = Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=r"^\+[1-9][0-9]*$")]
PerMinute = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"\S")]
# Not strict, because YAML has lists and no tuples.
Names = Annotated[tuple[Name, ...], Strict(False)]


@dataclass(frozen=True)
class IsPath:
    """Declares the texts of a key as paths: in a file, they are relative to the folder of the file.

    is_name: called with a text and the path that it would be; returns whether the text is a name instead, which stays
    as it is. pattern: whether a path may be a pattern. contents: for a folder that a run makes, the patterns of files
    that show that it has been made.
    """

    is_name: Callable[[str, str], bool] = lambda text, path: False
    pattern: bool = False
    contents: tuple[str, ...] = ()

    def is_there(self, path: str) -> bool:
        """Return whether there is what a path names."""
        return any(is_there(os.path.join(path, name)) for name in self.contents) if self.contents else is_there(path)


def _is_source_name(text: str, path: str) -> bool:
    """Return whether a text is '-', a URL, or the name of a dataset on the hub where no folder has this name."""
    return text == "-" or "://" in text or (is_hub_name(text) and not is_there(path))


PathName = Annotated[Name, IsPath()]  # a file or a folder
PatternName = Annotated[Name, IsPath(pattern=True)]  # a file, a folder, or a pattern
SourceName = Annotated[Name, IsPath(_is_source_name, pattern=True)]  # a table: one of these, '-', or a name on the hub
# A chat template: a file, or the name of one that ships.
TemplateName = Annotated[Name, IsPath(lambda text, path: not text.endswith((".jinja", ".jinja2", ".json")))]
PatternNames = Annotated[tuple[PatternName, ...], Strict(False)]
SourceNames = Annotated[tuple[SourceName, ...], Strict(False)]


class Section(BaseModel):
    """A section of the configuration: immutable, without type coercion, and without unknown keys."""

    # Hide inputs in pydantic's own messages, because a value might be an API key.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)
