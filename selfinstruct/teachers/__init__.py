"""Who answers: OpenAI-compatible servers, the embedded local model, a fake for tests.

To add one: a class with `async complete(prompt) -> Completion`, entered as an async context manager
where it is one, and a line in `TEACHERS`; or name your own in the configuration as
`package.module:Name`. It is called with the configuration and may have `asking`, an `Asking` that
says how it wants to be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..config.plugins import load_named
from ..config.run_config import RunConfig, TeacherConfig
from ..core.errors import ConfigError
from .asking import asked_together, asking_for, asking_of

if TYPE_CHECKING:
    from .batch.batch_job import Notes

__all__ = ["TEACHERS", "asked_together", "asking_for", "asking_of", "build_teacher", "build_teachers", "by_batches"]


def _openai(config: RunConfig) -> Any:
    from .egress import check_teachers
    from .openai.teacher import OpenAITeacher

    check_teachers(config)
    return OpenAITeacher(config.teacher, concurrency=config.concurrency, direct=config.egress != "any")


def _local(config: RunConfig) -> Any:
    from .local.teacher import LocalTeacher

    return LocalTeacher(config)


def _fake(config: RunConfig) -> Any:
    from .fake.teacher import FakeTeacher

    return FakeTeacher(structured=config.teacher.structured != "text")


TEACHERS: dict[str, Callable[[RunConfig], Any]] = {"openai": _openai, "local": _local, "fake": _fake}


def build_teacher(config: RunConfig) -> Any:
    """The teacher that `config.teacher` names, not yet entered. Raises ConfigError."""
    return load_named(config.teacher.kind, TEACHERS, "teacher.kind")(config)


def build_teachers(config: RunConfig) -> dict[str, Any]:
    """Every teacher of the configuration by its name, not yet entered. Raises ConfigError."""
    return {each.label: build_teacher(config.asking_only(each)) for each in config.all_teachers}


def hosts_of(config: RunConfig) -> dict[str, str]:
    """The hosts that the configured teachers are asked at, by their names; not of those that aren't servers."""
    from .egress import host_of

    hosts = {each.label: host_of(each) for each in config.all_teachers}
    return {name: host for name, host in hosts.items() if host}


def by_batches(teacher: Any, settings: TeacherConfig, jobs: Notes, leave: Callable[[int, str], bool] | None) -> Any:
    """`teacher` asked by batch jobs, where the configuration says so or earlier starts have left some open.

    jobs: where they are written down. leave: called when all its questions wait in them, see BatchTeacher; None: wait
    for them. Raises ConfigError when that teacher can't be asked so.
    """
    if settings.mode == "live" and not jobs.open():
        return teacher
    from .batch.teacher import BatchTeacher
    from .openai.teacher import OpenAITeacher

    if isinstance(teacher, OpenAITeacher):
        return BatchTeacher(teacher, settings, jobs, leave)
    if settings.mode == "batch":
        raise ConfigError("teacher.mode: batch needs OpenAI's protocol; an object of your own is asked live")
    return teacher
