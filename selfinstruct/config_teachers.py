"""Several teachers in one configuration: who they are called, what each is asked for, and how often.

Only `config` uses this room; `RunConfig.all_teachers` is what everybody else reads, for one teacher and for many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Literal, get_args

from pydantic import Field, Strict

from .config_sections import Name, TeacherConfig

Role = Literal["propose", "classify", "instances"]
ROLES: tuple[Role, ...] = get_args(Role)


class ListedTeacher(TeacherConfig):
    """One of `teachers`: everything that `teacher` has, and what it is asked for and how often."""

    name: Name | None = Field(None, description="What status and records call it; null: its model.")
    weight: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Share of its roles' questions, beside the weights of the others that have them."
    )
    roles: Annotated[tuple[Role, ...], Strict(False), Field(min_length=1)] = Field(
        ROLES, description="What it is asked for: propose (new tasks), classify, instances (their inputs and outputs)."
    )

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or self.model


def defects_of(teachers: Sequence[ListedTeacher], *, develops: bool) -> list[str]:
    """What is wrong with a list of teachers as a whole, a line each.

    develops: whether the strategy asks more than proposals, so that every role must be somebody's.
    """
    defects = [
        f"two are called {name!r}; give each a name of its own"
        for name, count in Counter(teacher.label for teacher in teachers).items()
        if count > 1
    ]
    needed = ROLES if develops else ROLES[:1]
    missing = [role for role in needed if not any(role in teacher.roles for teacher in teachers)]
    return defects + [f"none has the role {role!r}; add it to one's roles" for role in missing]
