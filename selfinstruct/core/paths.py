"""Paths that users write: the home folder, patterns, and how a command line quotes a path."""

from __future__ import annotations

import glob
import os
import re
import shlex
from pathlib import Path

from .errors import UsageError

DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
# A name on the hub: 'owner/name'.
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


def home_folder() -> Path | None:
    """Return the user's home folder; None without $HOME and an entry for the user, as in containers, and for '/'."""
    home = Path(os.path.expanduser("~"))
    return home if home.is_absolute() and home != home.parent else None


def expand(path: str) -> str:
    """Replace a leading '~'. Raises UsageError if there is no such home folder."""
    expanded = os.path.expanduser(path)
    # Without a home folder '~/x' stays as it is, and would create a folder called '~'.
    if expanded.partition("/")[0] == path.partition("/")[0] and path.startswith("~") and not os.path.lexists(path):
        raise UsageError(f"{path}: there is no such home folder; write the whole path, or set $HOME")
    return expanded


def cache_folder() -> Path:
    """Return $XDG_CACHE_HOME/selfinstruct, or ~/.cache/selfinstruct; below the working directory without a home."""
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else (home_folder() or Path.cwd()) / ".cache") / "selfinstruct"


def without_home(text: str) -> str:
    """Replace the home folder, which names the user, by '~' wherever a path in `text` begins with it."""
    home = home_folder()
    return text if home is None else re.sub(rf"(?<![\w/.~-]){re.escape(str(home))}(?=/)", "~", text)


def pattern_below(folder: str | Path, pattern: str) -> str:
    """Return `pattern` below `folder`, whose own name may contain the characters of patterns: 'runs [1]/*.jsonl'."""
    plain = os.path.join(folder, pattern)
    if not glob.has_magic(pattern) or os.path.exists(plain):
        return plain
    return os.path.join(glob.escape(str(folder)), pattern) if folder else pattern


def check_folder_name(path: str | Path) -> None:
    """Raise UsageError for a name of a folder that is meant as a file or as standard output: 'out.jsonl' or '-'."""
    is_file_name = str(path).lower().endswith((*DATA_SUFFIXES, ".txt", ".md", ".html", ".zip"))
    if str(path) == "-" or (is_file_name and not os.path.isdir(path)):
        raise UsageError(f"{path}: the name of a folder is expected; name one without such a suffix")


def is_there(path: str) -> bool:
    """Return whether a path exists, or a pattern has a match."""
    return os.path.exists(path) or bool(glob.glob(path))


def is_hub_name(text: str) -> bool:
    """Return whether a text can be the name of a dataset on the hub, such as 'owner/name'."""
    return _HUB_NAME.fullmatch(text) is not None and not text.lower().endswith(DATA_SUFFIXES)


def beside(folder: str | Path, text: str, *, pattern: bool = False) -> str:
    """Return what a path in a file of this folder names, as seen from the working directory.

    pattern: whether the path may be a pattern.
    """
    path = (pattern_below if pattern else os.path.join)(folder, expand(text))
    # 'configs/../data' -> 'data', unless 'configs' is a link to a folder elsewhere.
    short = os.path.normpath(path)
    return short if os.path.realpath(short) == os.path.realpath(path) else path


def seen_from(folder: str | Path, path: str) -> str:
    """Return a path as a file in this folder would name it, './x' or '../x'; absolute if they share no folder but '/'.

    The inverse of `beside`.
    """
    base = os.path.realpath(folder)
    if os.path.realpath(path) == base:
        return "."
    # Links to folders are followed, because '..' follows them, too; a file that is a link keeps its name.
    above, name = os.path.split(path)
    target = os.path.realpath(path) if name in ("", ".", "..") else os.path.join(os.path.realpath(above), name)
    if os.path.commonpath([target, base]) == os.path.sep:
        return target
    relative = os.path.relpath(target, base)
    return relative if relative.startswith(".") else f"./{relative}"


def quoted(path: str | Path) -> str:
    """Return a path as an argument of a command that can be pasted into a shell."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
