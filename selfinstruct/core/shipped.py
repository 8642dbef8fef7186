"""Read the data files that ship inside the package, next to the code that uses them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

# Ten times as fast as SafeLoader, but missing if PyYAML was built without libyaml.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PLACEHOLDER = re.compile(r"\{([a-z]+)\}")


def shipped_text(package: str | None, *path: str) -> str:
    """Return a text file below `package`, the caller's `__package__`."""
    assert package is not None
    # `resources` also reads packages that are imported from a zip file.
    return resources.files(package).joinpath(*path).read_text(encoding="utf-8")


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """Replace every {name} of `values`, in one pass, because a value may itself contain '{name}'; keep other braces."""
    return PLACEHOLDER.sub(lambda place: values.get(place[1], place[0]), text)


def shipped_yaml(package: str | None, *path: str) -> Any:
    """Return the content of a YAML file below `package`."""
    return yaml.load(shipped_text(package, *path), _LOADER)  # noqa: S506  both loaders are safe
