"""Decide how to ask each teacher, and several teachers with the same role, before any of them is started.

Also checks the roles of several teachers, and probes whether a server follows a JSON schema. `generate` uses this when
a run starts; `cli` uses it for previews.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..config.options import TeacherOptions, teachers_for
from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.prompts import ENDPOINT_PURPOSES, Asking, Completion, Message, Prompt, Sampling
from ..core.suggest import closest
from .openai.options import OpenAIOptions
from .protocol import Teacher, full


def asking_of(settings: TeacherOptions) -> Asking:
    """Return how to ask one teacher: over the configured endpoint, or as the model catalog says, or by chat."""
    if settings.endpoint is not None:
        return Asking.over(settings.endpoint)
    if settings.runs_model:
        from .local.teacher import catalog_asking

        return catalog_asking(settings.model)
    return Asking()


def askings_of(config: RunConfig, own: Mapping[str, Teacher]) -> dict[str, Asking]:
    """Return how to ask each teacher, by name. own: the caller's teachers, whose `asking` takes precedence."""
    stated = {name: full(teacher).asking for name, teacher in own.items()}
    return {each.label: stated.get(each.label) or asking_of(each) for each in config.all_teachers}


_NEEDED_BY = {
    "judge": "judge: {min_score: 3}",
    "answer": "answers: {samples: 4}",
    "plan": "answers: {turns: 3}",
    "user": "answers: {turns: 3}",
    "tests": "answers: {samples: 5, until: all, min_agreement: 0.5, agree_by: tests}",
}
"""An example of the section that makes a run ask for a purpose beside those of the strategy."""


def check_roles(config: RunConfig, purposes: Sequence[str] | None) -> None:
    """Check the roles of the teachers against the purposes of the strategy's prompts; None if it does not declare them.

    Raises ConfigError if no teacher answers some purpose, or nothing needs some role.
    """
    key, teachers = ("teacher.roles", (config.teacher,)) if config.teachers is None else ("teachers", config.teachers)
    roles = [role for each in teachers for role in each.roles or ()]
    defects = []
    answers = config.answers
    of_answers = [] if answers is None else ["answer"] if answers.turns == 1 else ["answer", "plan", "user"]
    of_answers += ["tests"] if answers is not None and answers.asks_for_tests else []
    # A teacher without roles answers every purpose but the judge's, which has any teacher if none has the role.
    needed = [*(purposes or ("propose",)), *of_answers]
    for purpose in needed:
        if all(each.roles is not None and purpose not in each.roles for each in teachers):
            defects.append(f"none has the role {purpose!r}; add it to the roles of one")
    verifies = config.facets is not None and config.facets.verify > 0
    needed += ["judge"] if config.judge is not None or verifies else []
    for role in _NEEDED_BY:
        if role in roles and role not in needed and purposes is not None:
            section = _NEEDED_BY[role].partition(":")[0]
            defects.append(
                f"one has the role {role!r}, which nothing needs; add a section {section}, such as {_NEEDED_BY[role]}"
            )
    # A misspelled role would leave its teacher idle.
    known = [*(purposes or roles), *_NEEDED_BY]
    for role in dict.fromkeys(role for role in roles if role not in known):
        guess = closest(role, known)
        hint = f"did you mean {guess!r}?" if guess else f"one of {', '.join(known)}"
        defects.append(f"the role {role!r} is unknown; {hint}")
    lines = [f"{key}: {defect}" for defect in defects]
    # And so would a misspelled purpose leave its options unused.
    own = [purpose for each in teachers if isinstance(each, OpenAIOptions) for purpose in each.purposes]
    for purpose in dict.fromkeys(own if purposes is not None else ()):
        if purpose not in (*known, "probe"):
            lines.append(f"teacher.purposes: {purpose!r} is unknown; one of {', '.join(known)}, probe")
    if lines:
        raise ConfigError("\n".join(lines))


def asked_together(teachers: Sequence[TeacherOptions], askings: Mapping[str, Asking]) -> Asking:
    """Combine how teachers are asked, so that every teacher with a role can answer the role's prompts.

    A single teacher keeps its own settings. For several, `structured` stays open, and `direct` holds only if all
    teachers for instances want it. Raises ConfigError if teachers with the same role use different endpoints.
    """
    if len(teachers) == 1:
        return askings[teachers[0].label]
    endpoints: dict[str, Any] = {}
    for role in ENDPOINT_PURPOSES:
        # One prompt has one endpoint, and any teacher with the role may get the prompt.
        able = [each for each in teachers if each.roles is None or role in each.roles]
        having = {each.label: askings[each.label].endpoint(role) for each in able}
        if len(set(having.values())) > 1:
            one, other = (next(name for name, value in having.items() if value == e) for e in ("chat", "completions"))
            raise ConfigError(
                f"teachers: {one!r} is asked by chat and {other!r} by completions for the same role {role!r}; set "
                "the same endpoint for both, or give them different roles"
            )
        endpoints[role] = next(iter(having.values()), "chat")
    # A direct prompt has no examples, which a teacher that did not ask for it may need.
    direct = all(askings[each.label].direct for each in teachers_for("instances", teachers))
    return Asking(**endpoints, direct=direct)


def asking_for(config: RunConfig) -> Asking:
    """Combine how all configured teachers are asked. Raises ConfigError as `asked_together` does."""
    return asked_together(config.all_teachers, {each.label: asking_of(each) for each in config.all_teachers})


_SCHEMA = {
    "title": "probe",
    "type": "object",
    "properties": {"probe": {"type": "array", "items": {"type": "string"}}},
    "required": ["probe"],
    "additionalProperties": False,
}


def probe_prompt() -> Prompt:
    """Return a short prompt with a schema; the text does not mention JSON, so only the schema can lead to JSON."""
    # The wording is part of the journal key: changing it would repeat the probe in existing runs.
    return Prompt(
        purpose="probe",
        messages=(Message("user", "Name two colours."),),
        sampling=Sampling(max_tokens=200),
        version="probe-1",
        schema=_SCHEMA,
    )


def speaks_schema(completion: Completion) -> bool:
    """Return whether the response follows the schema; an error or plain text does not."""
    if completion.error is not None:
        return False
    try:
        value = json.loads(completion.text)
    except (json.JSONDecodeError, RecursionError):
        return False
    # {"probe": ["red", "blue"]}
    return isinstance(value, dict) and isinstance(value.get("probe"), list) and len(value["probe"]) > 0
