"""Write the files of `init`: a starting configuration, its seeds, and its prompts, all shipped with the package."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from textwrap import indent

from ..core.errors import UsageError, cannot_write
from ..core.language_tags import canonical_tag, in_language, wording_language
from ..core.paths import check_folder_name
from ..core.shipped import shipped_text, shipped_yaml
from .load import load_seeds

STARTERS = {"openai": "openai.yaml", "local": "local_checked.yaml", "self_instruct": "self_instruct.yaml",
            "several": "several.yaml", "vllm": "vllm.yaml", "ollama": "ollama.yaml", "zh": "zh.yaml"}  # fmt: skip
_OF_OWN_TASKS = {"local_checked.yaml": "local.yaml"}
"""What starts a run with the user's own seeds, domain, or wording, of which drawn tasks would know nothing."""
_SCHEMA = "# yaml-language-server: $schema=schema.json\n"
_EDITOR = "# An editor completes these keys after: selfinstruct schema > schema.json\n"
_TARGET = re.compile(r"^target: .*\n", re.MULTILINE)
_TAUGHT = {
    "task": """
# What the tasks are for: part of every request for new tasks, as `selfinstruct preview` shows. Say who asks, for what,
# and what is out of bounds, such as: Students before their final exam ask; no advice on real cases.
"""
}
"""Comments above a key that the shipped configuration lacks."""
# 'target: 500   # number of records', without quotes, which may contain a '#'.
_COMMENTED = re.compile(r"""^( *(?:- )?\w+:[^#"'\n]*?) +(# .*)$""", re.MULTILINE)
# Paths that YAML takes for text without quotes: 'en.jsonl', '../data/law', but not 'no' or '1.5'.
_PLAIN = re.compile(r"(?:\.\./)*[A-Za-z_][\w-]*[./][\w./-]*", re.ASCII)


def shipped(kind: str, name: str) -> str:
    """Return the text of a shipped file; kind is 'seeds' or 'configs'."""
    inside = resources.files("selfinstruct") / "_shipped" / kind / name
    if inside.is_file():
        return inside.read_text(encoding="utf-8")
    # In a source tree, both folders are next to the package.
    return (Path(__file__).parents[2] / kind / name).read_text(encoding="utf-8")


def write_starter(
    folder: Path,
    kind: str,
    force: bool = False,
    *,
    seeds: str | None = None,
    values: Mapping[str, str | int] | None = None,
    prompts: bool = False,
) -> list[Path]:
    """Write `selfinstruct.yaml`, and next to it the files that it names.

    Args:
        folder: Target folder; created if necessary.
        kind: A key of `STARTERS`.
        force: Whether to overwrite existing files.
        seeds: The user's seeds, which stay where they are; None: write the shipped ones.
        values: Valid values of `task`, `target`, and `language`.
        prompts: Whether to write the prompt file.

    Returns:
        The paths of the files.

    Raises:
        UsageError: The kind is unknown, a file exists, or the folder can't be written.
        SeedError: The user's seeds have defects.
    """
    if kind not in STARTERS:
        raise UsageError(f"init: {kind!r} is unknown; one of {', '.join(STARTERS)}")
    check_folder_name(folder)
    starter = STARTERS[kind]
    if seeds is not None or prompts or "task" in (values or {}):
        starter = _OF_OWN_TASKS.get(starter, starter)
    config = shipped("configs", starter)
    files: dict[Path, str] = {}
    # Replace repository paths in the configuration by those of the new folder: 'seeds: ../seeds/en.jsonl'.
    name = next(line.split("seeds/")[1].split()[0] for line in config.splitlines() if line.startswith("seeds: "))
    if seeds is None:
        config = _set(config, "seeds", name)
        files[folder / name] = shipped("seeds", name)
    else:
        load_seeds(seeds)
        local = not os.path.isabs(seeds) and (os.path.exists(seeds) or glob.has_magic(seeds))
        config = _set(config, "seeds", os.path.relpath(seeds, folder) if local else seeds)
    config = config.replace(_SCHEMA, _SCHEMA + _EDITOR)
    config = config.replace(f"configs/{starter}", (folder / "selfinstruct.yaml").as_posix())
    config = _set(config, "run_dir", f"data/{folder.resolve().name}")  # names the dataset, too
    for key, value in (values or {}).items():
        config = _set(config, key, value)
    if prompts:
        language = re.search(r"^language: \"?([\w-]+)", config, re.MULTILINE)
        config = _with_prompts(config)
        files[folder / "prompts.yaml"] = _shipped_prompts(canonical_tag(language[1]) if language else "en")
    return _write(folder, {folder / "selfinstruct.yaml": _align(config)} | files, force)


def _set(config: str, key: str, value: str | int) -> str:
    """Set a top-level key: in its line, before the comment, or else in new lines below `target`."""
    # Quotes, because YAML reads the language `no` as false.
    plain = str(value) if _PLAIN.fullmatch(str(value)) else json.dumps(value, ensure_ascii=False)
    text = f"|\n  {value}\n" if key == "task" else plain
    line = f"{key}: {text}"
    old = re.compile(rf"^{key}: \S+( +(?=#))?", re.MULTILINE)
    if old.search(config):
        return old.sub(lambda match: f"{line} ".ljust(len(match[0])) if match[1] else line, config, count=1)
    return _TARGET.sub(lambda match: f"{match[0]}{_TAUGHT.get(key, '')}{line}\n", config, count=1)


def _align(config: str) -> str:
    """Let the comments next to keys begin in one column in each paragraph."""
    paragraphs = []
    for paragraph in config.split("\n\n"):
        lines = [_COMMENTED.match(line) or line for line in paragraph.split("\n")]
        column = max((len(line[1]) + 2 for line in lines if not isinstance(line, str)), default=0)
        aligned = [line if isinstance(line, str) else line[1].ljust(max(column, 31)) + line[2] for line in lines]
        paragraphs.append("\n".join(aligned))
    return "\n\n".join(paragraphs)


def _with_prompts(config: str) -> str:
    """Name the prompt file in the section `strategy`, which may be missing or only the name of a strategy."""
    if "\nstrategy:" not in config:
        config = _TARGET.sub(r"\g<0>strategy: alpaca\n", config, count=1)
    config = config.replace("\nstrategy: ", "\nstrategy:\n  kind: ")
    line = "\n  prompts: prompts.yaml      # the wording of every request; edit it before the first start"
    return re.sub(r"\nstrategy:\n  kind: .*", rf"\g<0>{line}", config, count=1)


def _shipped_prompts(tag: str) -> str:
    """Return the shipped prompt file for a language. Where it has none of its own, the texts ask for it by name."""
    where = ("selfinstruct.strategies", "prompts", f"{wording_language(tag)}.yaml")
    text = shipped_text(*where)
    for name, section in shipped_yaml(*where).items():
        for key, worded in in_language(section, name, tag).items():
            old = section[key]
            # In the text, so that the comments stay. A value is an indented block, or in quotes.
            if worded != old:
                text = text.replace(indent(old, "    "), indent(worded, "    "))
                text = text.replace(json.dumps(old, ensure_ascii=False), json.dumps(worded, ensure_ascii=False))
    return text


def _write(folder: Path, files: Mapping[Path, str], force: bool) -> list[Path]:
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
        raise cannot_write(f"init: {folder}", error) from None
    return list(files)
