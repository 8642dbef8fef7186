"""Teachers answer prompts: OpenAI-compatible servers, the embedded local model, and a fake for tests.

To add a teacher, write a class with `async complete(prompt) -> Completion` and add a line to `TEACHERS`, or name your
own class in the configuration as `package.module:Name`. The class is called with the configuration. A teacher that is
an async context manager is entered before the first prompt. An attribute `asking` says how to ask the teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..config.options import TeacherOptions
from ..config.plugins import call_own_code, load_named
from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from .asking import asked_together, asking_for, asking_of, askings_of, check_roles
from .fake.options import FakeOptions
from .local.options import LocalOptions
from .openai.options import OpenAIOptions
from .protocol import Teacher

if TYPE_CHECKING:
    from .batch.batch_job import Notes

__all__ = [
    "TEACHERS",
    "asked_together",
    "asking_for",
    "asking_of",
    "askings_of",
    "build_teacher",
    "build_teachers",
    "by_batches",
    "check_roles",
    "find_kind",
]


# Each builder imports its teacher when called: openai and aiohttp are slow to load, and most commands need neither.


def _openai(config: RunConfig) -> Any:
    from .egress import check_teachers
    from .openai.teacher import OpenAITeacher

    check_teachers(config)
    options = OpenAIOptions.of(config.teacher)
    return OpenAITeacher(options, concurrency=config.concurrency, direct=config.egress != "any")


def _local(config: RunConfig) -> Any:
    from .local.teacher import LocalTeacher

    return LocalTeacher(config)


def _fake(config: RunConfig) -> Any:
    from .fake.teacher import FakeTeacher

    return FakeTeacher(structured=config.teacher.structured != "text")


@dataclass(frozen=True)
class TeacherKind:
    """A built-in kind: the model of its options, and a function that builds a teacher from the configuration."""

    Options: type[TeacherOptions]
    build: Callable[[RunConfig], Teacher]

    def __call__(self, config: RunConfig) -> Teacher:
        """Build the teacher. A user's own class is called in the same way."""
        return self.build(config)


TEACHERS = {
    "openai": TeacherKind(OpenAIOptions, _openai),
    "local": TeacherKind(LocalOptions, _local),
    "fake": TeacherKind(FakeOptions, _fake),
}


def find_kind(teacher: TeacherOptions) -> tuple[Callable[[RunConfig], Teacher], TeacherOptions]:
    """Return the code of a teacher's kind and the validated options. Raises ConfigError."""
    build = load_named(teacher.kind, TEACHERS, "teacher.kind")
    # A user's class may declare no `Options`; the common options apply then.
    declared: type[TeacherOptions] = getattr(build, "Options", TeacherOptions)
    return build, declared.of(teacher)


def build_teacher(config: RunConfig) -> Teacher:
    """Build the teacher that `config.teacher` names, without entering it. Raises ConfigError."""
    build, options = find_kind(config.teacher)
    config = config.asking_only(options)
    if options.kind in TEACHERS:
        return build(config)
    teacher: Teacher = call_own_code("teacher", options.kind, build, config)
    if not callable(getattr(teacher, "complete", None)):
        raise ConfigError(f"teacher: {options.kind} has no method complete; see `selfinstruct.Teacher`")
    return teacher


def build_teachers(config: RunConfig, own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Build every model of the configuration that isn't in `own`, without entering any, and return all by their names.

    Raises ConfigError.
    """
    own = own or {}
    return {each.label: own.get(each.label) or build_teacher(config.asking_only(each)) for each in config.all_models}


def hosts_of(config: RunConfig) -> dict[str, str]:
    """Return the host of each configured model that is a server, by its name."""
    from .egress import host_of

    hosts = {each.label: host_of(each) for each in config.all_models}
    return {name: host for name, host in hosts.items() if host}


def by_batches(teacher: Any, settings: TeacherOptions, jobs: Notes, leave: Callable[[int, str], bool] | None) -> Any:
    """Wrap `teacher` to use batch jobs if the configuration says so or earlier starts left jobs open.

    leave: called when all open questions wait in batch jobs (see `BatchTeacher`); None to wait for the jobs. Raises
    ConfigError if the teacher does not support batch jobs.
    """
    # Open jobs are collected even after the configuration has changed to live mode: they have been paid for.
    if not settings.in_batches and not jobs.open():
        return teacher
    from .batch.teacher import BatchTeacher
    from .openai.teacher import OpenAITeacher

    if isinstance(teacher, OpenAITeacher):
        return BatchTeacher(teacher, OpenAIOptions.of(settings), jobs, leave)
    if settings.in_batches:
        raise ConfigError("teacher.mode: batch needs OpenAI's protocol; set mode: live for a teacher of your own")
    return teacher
