"""Where a chat template runs: foreign code, which comes with a model and must reach nothing but its messages.

The environment is that of `transformers` 5: jinja2's immutable sandbox, blocks trimmed, loop controls,
`raise_exception`, `strftime_now`, a `tojson` that keeps HTML characters, and `{% generation %}` around the assistant's
words.
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
    """A template, ready to render. Raises jinja2.TemplateError for what isn't one."""
    return _environment().from_string(source)


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_generation_tag(), loopcontrols]
    )
    made.filters["tojson"] = _tojson
    made.globals |= {"raise_exception": _raise, "strftime_now": _strftime_now, "namespace": _namespace_type()}
    return made


def _generation_tag() -> type[jinja2.ext.Extension]:
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser

    class Generation(Extension):
        """`{% generation %}`: a mark for trainers; what stands inside is rendered as it is."""

        tags = {"generation"}  # noqa: RUF012  (as jinja2 declares it)

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return Generation


def _namespace_type() -> type[jinja2.utils.Namespace]:
    from jinja2.exceptions import SecurityError
    from jinja2.utils import Namespace

    class Names(Namespace):
        """`namespace()` without names that begin with '_', by which a template could reach Python's own."""

        def __init__(self, *given: Any, **names: Any) -> None:
            super().__init__()
            for name, value in dict(*given, **names).items():
                self[name] = value

        def __setitem__(self, name: str, value: Any) -> None:
            if name.startswith("_"):
                raise SecurityError(f"a namespace can't hold {name!r}")
            super().__setitem__(name, value)

    return Names


def _raise(message: str) -> None:
    from jinja2.exceptions import TemplateError

    raise TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)  # local time, as in transformers


def _tojson(value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, **more: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, **more)
