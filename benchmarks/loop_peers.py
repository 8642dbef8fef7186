"""The other programs that `loop.py` measures: which versions, and the virtual environment that each has for itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Client:
    """One line of the table: a script beside `loop_task.py`, and the interpreter that runs it.

    missing: why there is none, or None.
    """

    name: str
    script: str
    variant: str = ""
    python: Path = Path(sys.executable)
    peer: bool = False
    missing: str | None = None


@dataclass(frozen=True)
class Peer:
    """What is installed for a peer; also: what it imports and doesn't require."""

    name: str
    version: str
    script: str
    extra: str = ""
    also: tuple[str, ...] = ()

    @property
    def requirements(self) -> list[str]:
        """As pip takes them."""
        return [f"{self.name}{self.extra}=={self.version}", *self.also]


PEERS = (
    Peer("distilabel", "1.5.3", "ask_distilabel.py", "[openai]", ("requests",)),
    Peer("data-designer", "0.9.7", "ask_data_designer.py"),
    Peer("bespokelabs-curator", "0.1.31", "ask_curator.py"),
)
INSTALLING_S = 1800
"""The longest time that pip may take for one."""


def find_peer(peer: Peer, cache: Path, install: bool) -> Client:
    """The client of a peer, installed below `cache` where that is wanted and not done yet."""
    folder = cache / f"{peer.name}-{peer.version}"
    done = folder / "installed"  # written last: a half-made environment is made again
    missing = None
    if not done.exists():
        missing = _install(peer, folder) if install else "not installed; --peers does that"
        if missing is None:
            done.touch()
    python = folder / "bin" / "python"
    return Client(f"{peer.name} {peer.version}", peer.script, python=python, peer=True, missing=missing)


def _install(peer: Peer, folder: Path) -> str | None:
    """Make the environment; what pip said last where that fails."""
    print(f"installing {' '.join(peer.requirements)} in {folder} ...", flush=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], [*pip, *peer.requirements]):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALLING_S)
        except subprocess.TimeoutExpired:
            return f"can't be installed: not done within {INSTALLING_S} s"
        except subprocess.CalledProcessError as error:
            return f"can't be installed: {((error.stderr or error.stdout).strip().splitlines() or ['?'])[-1]}"
    return None
