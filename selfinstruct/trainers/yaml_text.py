"""YAML as a person would write it: keys in the order given, nothing by reference."""

from __future__ import annotations

from typing import Any


def yaml_text(values: dict[str, Any]) -> str:
    """The text of a configuration file."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return str(yaml.dump(values, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000))
