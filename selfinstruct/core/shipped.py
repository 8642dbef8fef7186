"""The data files that ship inside the package, beside the code that reads them."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with libyaml


def shipped_text(package: str | None, *path: str) -> str:
    """A text file below `package`, which is its reader's `__package__`."""
    assert package is not None
    return resources.files(package).joinpath(*path).read_text(encoding="utf-8")


def shipped_yaml(package: str | None, *path: str) -> Any:
    """What a YAML file below `package` says."""
    return yaml.load(shipped_text(package, *path), _LOADER)  # noqa: S506  a safe one, either way
