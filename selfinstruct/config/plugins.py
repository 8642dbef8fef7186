"""Resolves a name in a configuration to code: a built-in name, or `package.module:Name`.

The factories of strategies, filters, teachers and formats use `load_named`. Nothing else lets a configuration execute
code, and the documentation says so.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..core.errors import ConfigError, SelfInstructError
from ..core.suggest import closest

T = TypeVar("T")


def load_named(name: str, known: Mapping[str, Any], key: str) -> Any:
    """Return the entry of `known` called `name`, or the object at `package.module:Name`.

    Args:
        name: The configured name. A module may also be in the working directory; installed modules take precedence.
        known: The built-in objects by name.
        key: The configuration key, which begins the error message.

    Raises:
        ConfigError: The name is unknown, or the module is missing, fails to import, or lacks the attribute.
    """
    # A built-in name.
    if name in known:
        return known[name]

    # 'package.module:Name' -> 'package.module', 'Name'
    path, mark, attribute = name.partition(":")
    if not mark or not attribute.isidentifier() or not all(part.isidentifier() for part in path.split(".")):
        raise ConfigError(f"{key}: {name!r} is unknown; {hint(name, known)}")

    # Import the module. The `selfinstruct` script, unlike `python -m`, leaves the working directory out of sys.path.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(path)
    except Exception as error:  # the user's own code may raise anything
        what = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise ConfigError(f"{key}: {name!r} can't be imported: {' '.join(what.split())}") from error

    # Find the name in the module.
    try:
        return getattr(module, attribute)
    except AttributeError:
        guess = closest(attribute, vars(module))
        meant = f"; did you mean {guess!r}?" if guess else ""
        raise ConfigError(f"{key}: module {path!r} has no {attribute!r}{meant or '; check the name'}") from None


def call_own_code(key: str, name: str, build: Callable[..., Any], *arguments: Any) -> Any:
    """Call a class or function of the user's own and return its result.

    Args:
        key: The configuration key, which begins the error message.
        name: The configured name of `build`.
        build: A class or function.
        arguments: What it is called with.

    Raises:
        ConfigError: The code fails, with the file and line of its last step.
    """
    try:
        return build(*arguments)
    except SelfInstructError:
        raise
    except Exception as error:  # the user's own code may raise anything
        what = " ".join(f"{type(error).__name__}: {error}".split())
        # The last frame is the failing line, unless the call itself failed for wrong arguments.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if frame.filename == __file__ else f" ({frame.filename}:{frame.lineno})"
        raise ConfigError(f"{key}: {name} can't be built: {what}{where}") from error


def check_returned(value: Any, expected: type[T], owner: object, method: str) -> T:
    """Return `value` if it is what a method of the user's code must return.

    Args:
        value: What the method returned.
        expected: The type that its protocol states.
        owner: The object with the method.
        method: The method's name.

    Raises:
        ConfigError: The value has another type.
    """
    if isinstance(value, expected):
        return value
    name = f"{type(owner).__module__}:{type(owner).__qualname__}.{method}"
    raise ConfigError(f"your code, {name}: must return {expected.__name__} (it returned {type(value).__name__})")


def hint(name: str, known: Mapping[str, Any]) -> str:
    """Return what to write in place of an unknown name."""
    guess = closest(name, known)
    if guess:
        return f"did you mean {guess!r}?"
    if known and ":" not in name:
        return f"one of {', '.join(sorted(known))}, or package.module:Name"
    return "write it as package.module:Name"
