"""The catalog of local models, and how to resolve `teacher.model` of the configuration.

The entries are data in `catalog.yaml`. `weights` downloads the files described here, and `llama_server` serves them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ...core.errors import UsageError
from ...core.paths import expand
from ...core.prompts import Asking
from ...core.shipped import shipped_yaml
from ...core.suggest import closest
from .options import is_model_file

# 'hf://Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf'
_HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)/(?P<file>[\w./ -]+\.gguf)")


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A wheel that contains some of a model's bytes: data to read, never to install.

    Attributes:
        wheel: 'name==version'.
        sha256: Checksum of the wheel.
        member: The path of the data inside the wheel.
    """

    wheel: str
    sha256: str
    member: str


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A GGUF file that can be downloaded.

    Attributes:
        name: The value of `teacher.model`.
        title: The model's name for display.
        file: The file's name in the cache.
        bytes, sha256: Size and checksum of the file; None for a file outside the catalog.
        license, packaged_by: The model's license, and who published the wheels.
        context: The context length in tokens that the model was trained with.
        hub: 'hf://owner/repo/file.gguf', or None.
        parts: Wheels, in the order in which their bytes are joined.
        asking: The best way to ask the model.
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
        """The repository and path of `hub`: ('owner/repo', 'file.gguf'), or None."""
        match = _HUB.fullmatch(self.hub or "")
        return (match["repo"], match["file"]) if match else None


@lru_cache(maxsize=1)
def load_catalog() -> dict[str, LocalModel]:
    """Return the models of the catalog by name, in the order of the file."""
    return {
        name: LocalModel(
            name=name,
            asking=Asking(**entry.pop("asking")),
            parts=tuple(WheelPart(**part) for part in entry.pop("parts")),
            **entry,
        )
        for name, entry in shipped_yaml(__package__, "catalog.yaml").items()
    }


def resolve(model: str) -> LocalModel | Path:
    """Resolve `teacher.model`: a name in the catalog, a hf:// file to download, or a local GGUF file.

    Raises:
        UsageError: The name is unknown, the hf:// address is malformed, or the file is missing or not GGUF.
    """
    if model.startswith("hf://"):
        match = _HUB.fullmatch(model)
        # The path becomes part of a path in the cache folder, so '..' must not leave that folder.
        if match is None or ".." in match["file"].split("/"):
            raise UsageError(f"{model}: write it as hf://owner/repo/file.gguf")
        return LocalModel(name=model, title=match["file"], file=Path(match["file"]).name, hub=model)
    known = load_catalog()
    if model in known:
        return known[model]
    # 'models/my.gguf', '~/my.gguf', 'C:\\models\\my.gguf'
    if is_model_file(model):
        return _check_file(model)
    guess = closest(model.lower(), known)
    hint = f"did you mean {guess!r}?" if guess else "or give /path/to.gguf or hf://owner/repo/file.gguf"
    raise UsageError(f"{model!r} is not a local model; known: {', '.join(known)}; {hint}")


def _check_file(model: str) -> Path:
    """Return the absolute path of a GGUF file. Raises UsageError."""
    path = Path(expand(model))
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; check teacher.model") from None
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}; check teacher.model") from None
    if magic != b"GGUF":  # the first four bytes of every GGUF file
        raise UsageError(f"{path}: not a GGUF file; local models must be in llama.cpp's format")
    return path.resolve()
