"""Options of the teacher kind `local`: a model that runs on this machine."""

from __future__ import annotations

import os
from typing import Annotated

from pydantic import Field

from ...config.fields import Free
from ...config.options import TeacherOptions
from ...config.path_keys import IsPath


def is_model_file(model: str) -> bool:
    """Return whether a model is a file, such as 'models/my.gguf', and neither hf:// nor a name in the catalog."""
    return not model.startswith("hf://") and (model.endswith(".gguf") or "/" in model or "\\" in model)


class LocalOptions(TeacherOptions):
    """kind `local`: a model from the catalog or a GGUF file, served on this machine for the length of the run."""

    runs_model = True

    kind: str = Field(default="local", description="local")
    model: Annotated[str, IsPath(lambda text, path: not is_model_file(text))] = Field(
        pattern=r"\S", description="A name from `selfinstruct teacher list`, or a GGUF file."
    )
    context: Annotated[int, Field(ge=256)] = Field(
        default=4096, description="Tokens for one request, prompt and answer together."
    )
    threads: Free[Annotated[int, Field(ge=1)] | None] = Field(
        default=None, description="Threads of the server; null: all cores."
    )
    timeout_s: Free[Annotated[float, Field(gt=0)]] = Field(
        default=60.0, description="Longest silence of the server, in seconds."
    )
    stream: Free[bool] = Field(default=True, description="Receive answers token by token, to show and keep them.")
    answer_within_s: Free[Annotated[float, Field(gt=0)] | None] = Field(
        default=60.0,
        description="Seconds after which a list of tasks is cut off, and its complete tasks are kept; needs stream.",
    )
    max_retries: Free[Annotated[int, Field(ge=0)]] = Field(default=4, description="Retries of one request.")

    @property
    def model_name(self) -> str:
        """The model's name, or the file's, so that a moved file is the same model."""
        return os.path.basename(self.model) if is_model_file(self.model) else self.model
