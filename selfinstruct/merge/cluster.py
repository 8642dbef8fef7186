"""The engine on Ray: a task a lot of texts cuts it into the shards' pieces, a task a shard finds its pairs.

Every task is a pure function of what it is given, so Ray may run it again when a worker or a node dies, anywhere, and
what is lost of its results is made again. Only this process decides: who is admitted follows from the pairs, and those
are few.
"""

from __future__ import annotations

import os
import socket
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .. import _version
from ..errors import SelfInstructError, StorageError, UsageError
from ..novelty.join import Joined
from ..novelty.score import refusal_cutoff
from ..text import TOKENIZER_VERSION
from .bands import check_installed, cut_by_bands
from .blocks import Block, Vocabulary, Words, encode
from .order import settle
from .pairs import Pairs, find_pairs
from .pieces import Piece, cut

Result = TypeVar("Result")

LOT = 1 << 16
"""Texts of one lot."""
TEXTS_A_SHARD = 150_000
"""Of the whole set, for each shard. A text goes to about four of them, so that a shard's task takes some 200 MB."""
LEAST_SHARDS = 8
_FEWEST_SHARDS = 2  # a task with one result doesn't give a list
_DOOR_TIMEOUT_S = 5.0
_RETRIES = 20
"""How often a task is begun anew when its worker or node dies under it."""
_SAME_EVERYWHERE = (_version.VERSION, TOKENIZER_VERSION, unicodedata.unidata_version)


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[None]:
    """Connected to the Ray cluster at `address`, or to one that is started here, with so many workers, and stopped.

    Where the process is connected already, it stays so. Raises UsageError when there is no such cluster.
    """
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    _check_door(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        quiet |= {"num_cpus": workers or min(2, os.cpu_count() or 1), "include_dashboard": False, "address": "local"}
    else:
        quiet |= {"address": address}
    try:
        ray.init(**quiet)
    except Exception as error:  # whatever Ray raises when nobody answers ends as one line
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = f"--address {address}" if address else "--engine ray"
        raise UsageError(f"{where}: Ray can't be reached: {first}; check that its head node runs there") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_door(address: str | None) -> None:
    """Raise UsageError when nobody answers at a ray:// address; Ray itself would try for half a minute."""
    if address is None or not address.startswith("ray://"):
        return
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 10001), _DOOR_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        what = f"--address {address}: nobody answers ({error})"
        raise UsageError(f"{what}; check that the cluster's head node runs there with Ray's client server") from None


class RayJoin:
    """As `novelty.Join`, with the same answers, by the tasks of a Ray cluster that the process is connected to.

    max_similarity, refuse_equal, explain: as `Join`. approximate: pairs are looked for by MinHash, which misses some.
    shards: parts of the index; by default as the texts need it. They never change the answer, and neither do workers
    and nodes, how many there are and which of them die.
    """

    def __init__(
        self,
        max_similarity: float = 0.7,
        *,
        refuse_equal: bool = False,
        explain: bool = True,
        approximate: bool = False,
        shards: int | None = None,
        lot: int = LOT,
    ) -> None:
        self._cutoff = refusal_cutoff(max_similarity, refuse_equal)
        self._explain, self._lot = explain, lot
        if approximate:
            check_installed()
        self._cut = cut_by_bands if approximate else cut
        self._shards = shards and max(shards, _FEWEST_SHARDS)
        self._references = 0
        self._held: list[str] = []
        self._begin = [0]
        self._texts: list[Any] = []
        self._blocks: list[Any] = []
        self._words: list[Any] = []
        self._encode = self._task(_encode_here, 2)

    def add(self, texts: Sequence[str]) -> None:
        """Append texts; full lots are on their way at once."""
        self._held.extend(texts)
        while len(self._held) >= self._lot:
            self._send(self._held[: self._lot])
            del self._held[: self._lot]

    def add_references(self, texts: Sequence[str]) -> None:
        """As that of `Join`."""
        if self._begin[-1] + len(self._held) > self._references:
            raise UsageError("references come before the texts that they refuse")
        self._references += len(texts)
        self.add(texts)

    def run(self, progress: Callable[[int, int], None] = lambda done, total: None) -> Joined:
        """As that of `Join`. Raises StorageError when the cluster fails for good."""
        if self._held or not self._blocks:
            self._send(self._held)
            self._held = []
        return _plainly(lambda: self._run(progress))

    def _run(self, progress: Callable[[int, int], None]) -> Joined:
        ray, texts = _ray(), self._begin[-1]
        vocabulary = Vocabulary()
        for told in self._words:
            lot, same = ray.get(told)
            if same != _SAME_EVERYWHERE:
                raise UsageError(
                    f"a node of the cluster has {_of(same)}, here is {_of(_SAME_EVERYWHERE)}: install the same on all"
                )
            vocabulary.add(lot)
        self._words.clear()
        shards = self._shards or max(LEAST_SHARDS, -(-texts // TEXTS_A_SHARD))
        cut_lot, search = self._task(self._cut, shards), self._task(_find_pairs_in, 1)
        pieces: list[list[Any]] = []
        for block, ranks, first in zip(self._blocks, vocabulary.ranks(), self._begin, strict=False):
            made = cut_lot.remote(block, ranks, first, self._cutoff, shards)
            pieces.append(made)
        # the blocks are kept until the end, since Ray makes from them again what a dead node has taken along
        waiting = [search.remote(self._cutoff, *(lot[shard] for lot in pieces)) for shard in range(shards)]
        found: list[Pairs] = []
        while waiting:
            done, waiting = ray.wait(waiting, num_returns=1)
            found.append(ray.get(done[0]))
            progress(texts * len(found) // shards, texts)
        return settle(texts, found, references=self._references, explain=self._explain)

    def _send(self, texts: Sequence[str]) -> None:
        kept = _ray().put(list(texts))
        block, words = self._encode.remote(kept)
        self._texts.append(kept)
        self._blocks.append(block)
        self._words.append(words)
        self._begin.append(self._begin[-1] + len(texts))

    def _task(self, function: Callable[..., Any], returns: int) -> Any:
        options = {"num_cpus": 1, "max_retries": _RETRIES, "num_returns": returns, "scheduling_strategy": "SPREAD"}
        return _ray().remote(**options)(function)


def _encode_here(texts: Sequence[str]) -> tuple[Block, tuple[Words, tuple[str, ...]]]:
    block, words = encode(texts)
    return block, (words, _SAME_EVERYWHERE)


def _find_pairs_in(cutoff: float, *pieces: Piece) -> Pairs:
    return find_pairs(pieces, cutoff)


def _plainly(work: Callable[[], Result]) -> Result:
    """Ray's errors as this package's own: what a task of ours raised, or that the cluster failed for good."""
    exceptions = _ray().exceptions
    try:
        return work()
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, SelfInstructError):
            raise error.cause from None
        if isinstance(error.cause, ImportError) or "failed to import on the worker" in str(error):
            said = "a node of the cluster can't import selfinstruct"
            raise UsageError(f"{said}; install selfinstruct[ray] {_version.VERSION} on all of them") from None
        raise
    except (exceptions.RayError, ConnectionError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise StorageError(f"the Ray cluster failed: {first}; nothing was written, start again") from error


def _of(same: Sequence[str]) -> str:
    version, tokens, unicode = same
    return f"selfinstruct {version}, tokens of version {tokens}, Unicode {unicode}"


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise UsageError(f"Ray isn't installed; pip install 'selfinstruct[ray]' (this is Python {python})") from None
    return ray
