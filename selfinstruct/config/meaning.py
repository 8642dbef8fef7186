"""What a configuration means: the values that decide what the answers are, and their digest. `RunConfig` uses it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel

from .fields import MayChange, Section
from .path_keys import map_paths

PUBLISHED = "published"
"""The value in `RunConfig.meaning` of a sampling key that is not set."""


def declared(model: type[BaseModel], name: str) -> MayChange | None:
    """Return the declaration in the annotation of a key, such as `Free[int]`."""
    return next((item for item in model.model_fields[name].metadata if isinstance(item, MayChange)), None)


@cache
def _meant(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the keys of `model` that are part of the digest."""
    return tuple(name for name in model.model_fields if declared(model, name) is not MayChange.AT_ANY_START)


def meant_values(section: Section, exclude: Collection[str] = ()) -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the JSON value of everything in `section` that is part of the digest.

    The value of a sampling key that is not set is `PUBLISHED`.
    """
    # `model_extra` holds the options of a user's own kind.
    names = [*_meant(type(section)), *(section.model_extra or ())]
    values = section.model_dump(mode="json", include=set(names))
    # Of a file, only the name: the run stays the same where the file is moved.
    values = map_paths(values, type(section), os.path.basename)
    for name in [name for name in names if name not in exclude]:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from ((f"{name}.{key}", inner) for key, inner in meant_values(value))
        else:
            yield name, values.get(name, PUBLISHED)


def digest_of(meaning: dict[str, Any]) -> str:
    """Return the config digest: 64 hex digits over the values that determine the answers."""
    text = json.dumps(meaning, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
