"""Who answers: OpenAI-compatible servers, the embedded local model, a fake for tests.

To add one: a class with `async complete(prompt) -> Completion`, entered as an async context manager
where it is one, and a line in `TEACHERS`; or name your own in the configuration as
`package.module:Name`. It is called with the configuration and may have `asking`, an `Asking` that
says how it wants to be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..config.options import TeacherOptions
from ..config.plugins import load_named
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
    """A built-in kind: the model of its options, and a function from the configuration to a teacher."""

    Options: type[TeacherOptions]
    build: Callable[[RunConfig], Teacher]

    def __call__(self, config: RunConfig) -> Teacher:
        """Build the teacher, as a user's own class does when it is called with the configuration."""
        return self.build(config)


TEACHERS = {
    "openai": TeacherKind(OpenAIOptions, _openai),
    "local": TeacherKind(LocalOptions, _local),
    "fake": TeacherKind(FakeOptions, _fake),
}


def find_kind(teacher: TeacherOptions) -> tuple[Callable[[RunConfig], Teacher], TeacherOptions]:
    """Return the code of a teacher's kind, and its checked options. Raises ConfigError."""
    build = load_named(teacher.kind, TEACHERS, "teacher.kind")
    declared: type[TeacherOptions] = getattr(build, "Options", TeacherOptions)
    return build, declared.of(teacher)


def build_teacher(config: RunConfig) -> Teacher:
    """Return the teacher that `config.teacher` names, not yet entered. Raises ConfigError."""
    build, options = find_kind(config.teacher)
    return build(config.asking_only(options))


def build_teachers(config: RunConfig) -> dict[str, Any]:
    """Every teacher of the configuration by its name, not yet entered. Raises ConfigError."""
    return {each.label: build_teacher(config.asking_only(each)) for each in config.all_teachers}


def hosts_of(config: RunConfig) -> dict[str, str]:
    """The hosts that the configured teachers are asked at, by their names; not of those that aren't servers."""
    from .egress import host_of

    hosts = {each.label: host_of(each) for each in config.all_teachers}
    return {name: host for name, host in hosts.items() if host}


def by_batches(teacher: Any, settings: TeacherOptions, jobs: Notes, leave: Callable[[int, str], bool] | None) -> Any:
    """`teacher` asked by batch jobs, where the configuration says so or earlier starts have left some open.

    jobs: where they are written down. leave: called when all its questions wait in them, see BatchTeacher; None: wait
    for them. Raises ConfigError when that teacher can't be asked so.
    """
    if not settings.in_batches and not jobs.open():
        return teacher
    from .batch.teacher import BatchTeacher
    from .openai.teacher import OpenAITeacher

    if isinstance(teacher, OpenAITeacher):
        return BatchTeacher(teacher, OpenAIOptions.of(settings), jobs, leave)
    if settings.in_batches:
        raise ConfigError("teacher.mode: batch needs OpenAI's protocol; an object of your own is asked live")
    return teacher
