"""Write the files of `init`: a starting configuration and its seed file, both shipped with the package."""

from __future__ import annotations

import contextlib
import re
from importlib import resources
from pathlib import Path

from ..core.errors import UsageError

STARTERS = {"openai": "openai.yaml", "local": "demo.yaml", "self_instruct": "self_instruct.yaml",
            "several": "several.yaml", "vllm": "vllm.yaml", "ollama": "ollama.yaml", "zh": "zh.yaml"}  # fmt: skip
_RUN_DIR = re.compile(r"^(run_dir: data/)\S+", re.MULTILINE)
# Folder names that need no quoting, neither in YAML nor in a shell.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)


def shipped(kind: str, name: str) -> str:
    """Return the text of a shipped file; kind is 'seeds' or 'configs'."""
    inside = resources.files("selfinstruct") / "_shipped" / kind / name
    if inside.is_file():
        return inside.read_text(encoding="utf-8")
    # In a source tree, both folders are next to the package.
    return (Path(__file__).parents[2] / kind / name).read_text(encoding="utf-8")


def write_starter(folder: Path, kind: str, force: bool = False) -> list[Path]:
    """Write `selfinstruct.yaml` and its seed file.

    Args:
        folder: Target folder; created if necessary.
        kind: A key of `STARTERS`.
        force: Whether to overwrite existing files.

    Returns:
        The paths of both files.

    Raises:
        UsageError: The kind is unknown, a file exists, or the folder can't be written.
    """
    if kind not in STARTERS:
        raise UsageError(f"init: {kind!r} is unknown; one of {', '.join(STARTERS)}")
    config = shipped("configs", STARTERS[kind])
    # Replace repository paths in the configuration by those of the new folder: 'seeds: seeds/seed_tasks.jsonl'.
    seeds = next(line.split("seeds/")[1].split()[0] for line in config.splitlines() if line.startswith("seeds: "))
    config = config.replace(f"seeds/{seeds}", seeds)
    config = config.replace("# yaml-language-server: $schema=schema.json\n", "")
    config = config.replace(f"configs/{STARTERS[kind]}", (folder / "selfinstruct.yaml").as_posix())
    name = folder.resolve().name
    if _PLAIN_NAME.fullmatch(name):  # two starters in one working directory need two run folders
        config = _RUN_DIR.sub(lambda match: f"{match[1]}{name}", config, count=1)
    # Write both files, or neither.
    files = {folder / "selfinstruct.yaml": config, folder / seeds: shipped("seeds", seeds)}
    existing = [path for path in files if path.exists()]
    if existing and not force:
        raise UsageError(f"init: {existing[0]} exists; choose another folder, or --force to overwrite it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        for path in files.keys() - existing:  # a partial file would block the next attempt
            with contextlib.suppress(OSError):  # the folder is a file
                path.unlink()
        raise UsageError(f"init: {folder}: {error.strerror or error}") from None
    return list(files)
