"""Who answers: OpenAI-compatible servers, the embedded local model, a fake for tests.

To add one: a class with `async complete(prompt) -> Completion`, entered as an async context manager
where it is one, and a line in `TEACHERS`; or name your own in the configuration as
`package.module:Name`. It is called with the configuration and may have `asking`, an `Asking` that
says how it wants to be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..config import RunConfig
from ..errors import ConfigError
from ..plugins import load_named
from ..schema import Asking

if TYPE_CHECKING:
    from .batch_job import Notes


def _openai(config: RunConfig) -> Any:
    from .egress import check_teacher
    from .openai_api import OpenAITeacher

    check_teacher(config)
    return OpenAITeacher(config.teacher, concurrency=config.concurrency, direct=config.egress != "any")


def _local(config: RunConfig) -> Any:
    from .local import LocalTeacher

    return LocalTeacher(config)


def _fake(config: RunConfig) -> Any:
    from .fake import FakeTeacher

    return FakeTeacher(structured=config.teacher.structured != "text")


TEACHERS: dict[str, Callable[[RunConfig], Any]] = {"openai": _openai, "local": _local, "fake": _fake}


def build_teacher(config: RunConfig) -> Any:
    """The teacher that `config.teacher` names, not yet entered. Raises ConfigError."""
    return load_named(config.teacher.kind, TEACHERS, "teacher.kind")(config)


def hosts_of(config: RunConfig) -> dict[str, str]:
    """The host that the configured model is asked at, by its name; empty where it isn't asked over HTTP."""
    from .egress import host_of

    host = host_of(config.teacher)
    return {config.teacher.model: host} if host else {}


def by_batches(teacher: Any, config: RunConfig, jobs: Notes, leave: Callable[[str], object] | None) -> Any:
    """`teacher` asked by batch jobs, where the configuration says so or earlier starts have left some open.

    jobs: where they are written down. leave: called with a line once everything waits in them; None: wait for them.
    Raises ConfigError when that teacher can't be asked so.
    """
    if config.teacher.mode == "live" and not jobs.open():
        return teacher
    from .batch import BatchTeacher
    from .openai_api import OpenAITeacher

    if isinstance(teacher, OpenAITeacher):
        return BatchTeacher(teacher, config.teacher, jobs, leave)
    if config.teacher.mode == "batch":
        raise ConfigError("teacher.mode: batch needs OpenAI's protocol; an object of your own is asked live")
    return teacher


def asking_of(config: RunConfig) -> Asking:
    """How the configured teacher is asked, known before it is started: the config's endpoint, else the catalogue's."""
    settings = config.teacher
    if settings.endpoint is not None:
        return Asking.over(settings.endpoint)
    if settings.kind == "local":
        from .local import catalogue_asking

        return catalogue_asking(settings.model)
    return Asking()
