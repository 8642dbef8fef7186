"""How teachers are asked, known before one is started: each for itself, and several for the same purpose together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..config.run_config import ListedTeacher, RunConfig, TeacherConfig
from ..config.teacher_list import ROLES
from ..core.errors import ConfigError
from ..core.prompts import Asking, Endpoint


def asking_of(settings: TeacherConfig) -> Asking:
    """How one teacher is asked: over the configured endpoint, else as the catalogue says, else by chat."""
    if settings.endpoint is not None:
        return Asking.over(settings.endpoint)
    if settings.kind == "local":
        from .local.teacher import catalogue_asking

        return catalogue_asking(settings.model)
    return Asking()


def asked_together(teachers: Sequence[ListedTeacher], askings: Mapping[str, Asking]) -> Asking:
    """How all of them are asked, so that any of a role can answer its questions. askings: by the teachers' names.

    Raises ConfigError where those of one role have different endpoints. Instances are only asked `direct` where all of
    their teachers want it. Of one teacher, what it says; of several, `structured` is left open.
    """
    if len(teachers) == 1:
        return askings[teachers[0].label]
    endpoints: dict[str, Endpoint] = {}
    for role in ROLES:
        having = {each.label: getattr(askings[each.label], role) for each in teachers if role in each.roles}
        if len(set(having.values())) > 1:
            one, other = (next(name for name, value in having.items() if value == e) for e in ("chat", "completions"))
            raise ConfigError(
                f"teachers: {one!r} is asked by chat and {other!r} by completions for the same role {role!r}; set "
                "endpoint alike, or give them different roles"
            )
        endpoints[role] = next(iter(having.values()), "chat")
    direct = all(askings[each.label].direct for each in teachers if "instances" in each.roles)
    return Asking(endpoints["propose"], endpoints["classify"], endpoints["instances"], direct=direct)


def asking_for(config: RunConfig) -> Asking:
    """How the configured teachers are asked, all together. Raises ConfigError as `asked_together` does."""
    return asked_together(config.all_teachers, {each.label: asking_of(each) for each in config.all_teachers})
