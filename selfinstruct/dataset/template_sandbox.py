"""Run chat templates in a sandbox, because a template is foreign code that comes with a model.

The environment equals that of `transformers` 5: jinja2's immutable sandbox with trimmed blocks, loop controls,
`raise_exception`, `strftime_now`, a `tojson` that keeps HTML characters, and the tag `{% generation %}`.
"""

from __future__ import annotations

import functools
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment


@functools.lru_cache(maxsize=8)
def compiled_template(source: str) -> jinja2.Template:
    """Compile a template. Raises jinja2.TemplateError if it is invalid."""
    return _environment().from_string(source)


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_generation_tag(), loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {"raise_exception": _raise, "strftime_now": _strftime_now, "namespace": _namespace_type()}
    return environment


# jinja2 is imported only when a template is used, so its subclasses are created inside functions.


def _generation_tag() -> type[jinja2.ext.Extension]:
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser

    class GenerationTag(Extension):
        """`{% generation %}` marks the assistant's text for trainers; its content is rendered unchanged."""

        tags = {"generation"}  # noqa: RUF012  (as jinja2 declares it)

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return GenerationTag


def _namespace_type() -> type[jinja2.utils.Namespace]:
    from jinja2.exceptions import SecurityError
    from jinja2.utils import Namespace

    class SafeNamespace(Namespace):
        """`namespace()` without names that begin with '_', which could give access to Python's internals."""

        def __init__(self, *given: Any, **names: Any) -> None:
            super().__init__()
            for name, value in dict(*given, **names).items():
                self[name] = value

        def __setitem__(self, name: str, value: Any) -> None:
            if name.startswith("_"):
                raise SecurityError(f"a namespace can't contain {name!r}")
            super().__setitem__(name, value)

    return SafeNamespace


def _raise(message: str) -> None:
    from jinja2.exceptions import TemplateError

    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)  # local time, as in transformers


def _tojson(value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, **more: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, **more)
