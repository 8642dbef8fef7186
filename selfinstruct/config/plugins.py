"""Resolves a name in a configuration to code: a built-in name, or `package.module:Name`.

The factories of strategies, filters, teachers and formats use `load_named`. Nothing else lets a configuration execute
code, and the documentation says so.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..core.errors import ConfigError, SelfInstructError
from ..core.suggest import closest

T = TypeVar("T")

FOLDERS: list[str] = []
"""The folders of the configuration files that were read; your own modules may be next to them."""


def load_named(name: str, known: Mapping[str, Any], key: str) -> Any:
    """Return the entry of `known` called `name`, or the object at `package.module:Name`.

    Args:
        name: The configured name. A module may also be next to the configuration file or in the working directory;
            installed modules take precedence.
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
    working = [] if "" in sys.path else [os.getcwd()]
    sys.path += [folder for folder in dict.fromkeys([*FOLDERS, *working]) if folder not in sys.path]
    try:
        module = importlib.import_module(path)
    except Exception as error:  # the user's own code may raise anything
        what = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        # The module itself is missing, or one that it imports: then say where.
        if isinstance(error, ModuleNotFoundError) and error.name == path.partition(".")[0]:
            where = "; put the file next to the configuration file"
        else:
            where = _last_place(error)
        raise ConfigError(f"{key}: {name!r} can't be imported: {' '.join(what.split())}{where}") from error

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
        raise ConfigError(f"{key}: {name} can't be built: {what}{_last_place(error)}") from error


def _last_place(error: Exception) -> str:
    """Return the file and line where the user's code failed; '' if the call itself failed for wrong arguments."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, SyntaxError):
        return f" ({error.filename}:{error.lineno})"
    return "" if frame.filename == __file__ or frame.filename.startswith("<") else f" ({frame.filename}:{frame.lineno})"


def check_accepts(key: str, name: str, owner: object, method: str, *parameters: str) -> None:
    """Raise ConfigError unless a method of the user's code can be called with these parameters, by position."""
    try:
        signature = inspect.signature(getattr(owner, method))
        signature.bind(*parameters)
    except TypeError:
        expected = ", ".join(parameters)
        raise ConfigError(f"{key}: {name}.{method}{signature} must accept ({expected})") from None
    except ValueError:
        return  # a builtin, without a signature


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
