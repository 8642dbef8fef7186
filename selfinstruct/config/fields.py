"""The base class of configuration sections, and the types of their keys. Every section uses them.

The annotation of each key also declares when the key may change in an existing run: `Free`, `PerGeneration` or
`Refilterable`. A key inherits the declaration of its section. Any other key needs a new run.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict


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


class Section(BaseModel):
    """A section of the configuration: immutable, without type coercion, and without unknown keys."""

    # Hide inputs in pydantic's own messages, because a value might be an API key.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True)
