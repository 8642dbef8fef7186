"""Options of the teacher kind `fake`: all options of the kinds that the fake replaces in a rehearsal."""

from __future__ import annotations

from pydantic import Field, field_validator

from ..local.options import LocalOptions
from ..openai.options import OpenAIOptions


class FakeOptions(OpenAIOptions, LocalOptions):
    """kind `fake`: needs no model. Accepts the keys of `openai` and `local`, so `--set teacher.kind=fake` rehearses."""

    is_fake = True
    runs_model = False

    kind: str = Field(default="fake", description="fake")
    model: str = Field(default="gpt-4o-mini", pattern=r"\S", description="The model's name.")

    @field_validator("mode")
    @classmethod
    def _is_live(cls, value: str) -> str:
        if value == "batch":
            raise ValueError("must be live for this teacher.kind; only kind openai has batch jobs")
        return value

    @property
    def address(self) -> str | None:
        """None, because there is no server."""
        return None

    @property
    def missing_key(self) -> str | None:
        """None, because no key is needed."""
        return None
