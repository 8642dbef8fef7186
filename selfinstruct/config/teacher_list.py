"""Several teachers in one configuration: their names, roles and weights.

Other packages read `RunConfig.all_teachers`, for one teacher and for several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, Strict

from .sections import Free, Name, TeacherConfig

Role = Literal["propose", "classify", "instances", "judge"]
ROLES: tuple[Role, ...] = ("propose", "classify", "instances")
"""The default roles; the role judge must be configured."""


class ListedTeacher(TeacherConfig):
    """One of `teachers`: everything that `teacher` has, and what it is asked for and how often."""

    name: Free[Name | None] = Field(default=None, description="What status and records call it; null: its model.")
    weight: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Share of its roles' questions, beside the weights of the others that have them."
    )
    roles: Annotated[tuple[Role, ...], Strict(False), Field(min_length=1)] = Field(
        default=ROLES,
        description="What it is asked for: propose (new tasks), classify, instances (inputs and outputs), judge.",
    )

    @property
    def label(self) -> str:
        """The teacher's name in status and records."""
        return self.name or self.model


def having(teachers: Sequence[ListedTeacher], purpose: str) -> list[ListedTeacher]:
    """Return the teachers with the role `purpose`; all teachers if none has it (the probe, an unassigned judge)."""
    return [teacher for teacher in teachers if purpose in teacher.roles] or list(teachers)


def defects_of(teachers: Sequence[ListedTeacher], *, develops: bool, judged: bool) -> list[str]:
    """Return the defects of a list of teachers as a whole.

    Args:
        teachers: All entries of `teachers`.
        develops: Whether the strategy sends more than proposals, so that every role needs a teacher.
        judged: Whether the configuration has a judge.
    """
    defects = [
        f"two are called {name!r}; give each a name of its own"
        for name, count in Counter(teacher.label for teacher in teachers).items()
        if count > 1
    ]
    needed = ROLES if develops else ROLES[:1]
    missing = [role for role in needed if not any(role in teacher.roles for teacher in teachers)]
    defects += [f"none has the role {role!r}; add it to one's roles" for role in missing]
    if not judged and any("judge" in teacher.roles for teacher in teachers):
        defects.append(
            "one has the role 'judge', which nothing needs; add a section judge, such as judge: {min_score: 3}"
        )
    return defects
