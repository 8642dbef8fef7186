"""Names in a configuration that stand for code: a built-in's, or `package.module:Name`.

The one way by which a configuration can make code run, and it is documented as such.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

from .errors import ConfigError
from .suggest import closest


def load_named(name: str, known: Mapping[str, Any], key: str) -> Any:
    """The entry of `known` called `name`, or the object at `package.module:Name`.

    Modules of the working directory can be named, as with `python -m`. Raises ConfigError naming `key`.
    """
    if name in known:
        return known[name]
    module, mark, attribute = name.partition(":")
    if not mark:
        guess = closest(name, known)
        hint = f"did you mean {guess!r}?" if guess else f"one of {', '.join(sorted(known))}, or package.module:Name"
        raise ConfigError(f"{key}: {name!r} is unknown; {hint}")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ConfigError(f"{key}: {name!r} can't be imported: {error}") from error
    except AttributeError:
        raise ConfigError(f"{key}: module {module!r} has no {attribute!r}") from None
