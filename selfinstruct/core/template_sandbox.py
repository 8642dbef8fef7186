"""Run chat templates in a sandbox, because a template is foreign code that comes with a model.

The environment equals that of `transformers` 5: jinja2's immutable sandbox with trimmed blocks, loop controls,
`raise_exception`, `strftime_now`, a `tojson` that keeps HTML characters, and the tag `{% generation %}`. The sandbox
keeps a template from reaching the machine, but not from using all of its time and memory. So a template that doesn't
ship is rendered by a process of its own, which runs this file as a script and is bounded by the system.
"""

from __future__ import annotations

import contextlib
import functools
import json
import resource
import signal
import subprocess
import sys
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SECONDS = 5
"""Longest time to render one conversation."""
_MAX_BYTES = 1024**3
_MAX_CHARS = 10_000_000


class TemplateFailed(Exception):
    """A template can't be rendered. line: in the template, or None."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem)
        self.line = line


def render(source: str, values: dict[str, Any]) -> str:
    """Render a trusted template in this process. Raises TemplateFailed."""
    import jinja2

    try:
        return str(compiled_template(source).render(values))
    except jinja2.TemplateSyntaxError as error:
        raise TemplateFailed(str(error.message), error.lineno) from None
    except (jinja2.TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise TemplateFailed(str(error) or type(error).__name__, _line(error)) from None


def _line(error: BaseException) -> int | None:
    """Return the line of the template that raised `error`, from the traceback that jinja2 has rewritten."""
    line, place = None, error.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_filename == "<template>":
            line = place.tb_lineno
        place = place.tb_next
    return line


class TemplateProcess:
    """Renders one template in a process with bounded time and memory; the process starts when it is first needed."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def render(self, values: dict[str, Any]) -> str:
        """Render the template. Raises TemplateFailed."""
        with self._lock:
            if self._process is None:
                # -P: this file's folder has modules whose names others could import.
                command = [sys.executable, "-P", __file__]
                pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
                self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nowhere, text=True)  # noqa: S603
            process = self._process
            assert process.stdin is not None
            assert process.stdout is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(json.dumps([self._source, values, MAX_SECONDS]) + "\n")
                process.stdin.flush()
            answer = process.stdout.readline()
            if answer:
                text, problem, line = json.loads(answer)
                if problem is None:
                    return str(text)
                raise TemplateFailed(problem, line)
            # The process is gone: by its alarm, or without memory.
            self._process = None
            ended = process.wait()
        limit = f"{MAX_SECONDS} s" if ended == -signal.SIGALRM else f"{_MAX_BYTES // 1024**2:,} MB of memory"
        raise TemplateFailed(f"takes more than {limit} for one conversation")


@functools.lru_cache(maxsize=8)
def template_process(source: str) -> TemplateProcess:
    """Return the process that renders a template; it ends with this process."""
    return TemplateProcess(source)


def _serve() -> None:
    """Render what standard input asks for, line by line. An alarm ends the process, also inside of native code."""
    with contextlib.suppress(ValueError, OSError):  # some systems don't bound memory
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_BYTES, _MAX_BYTES))
    for request in sys.stdin:
        source, values, seconds = json.loads(request)
        signal.alarm(seconds)
        answer: tuple[str | None, str | None, int | None]
        try:
            text = render(source, values)
            if len(text) > _MAX_CHARS:
                raise TemplateFailed(f"renders more than {_MAX_CHARS:,} characters for one conversation")
            answer = text, None, None
        except TemplateFailed as error:
            answer = None, str(error), error.line
        signal.alarm(0)
        print(json.dumps(answer), flush=True)


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


if __name__ == "__main__":
    _serve()
