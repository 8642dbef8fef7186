"""Read with the `datasets` library: a folder that it saved, a folder of data files, or a name on the hub.

`sources` uses this module.
"""

from __future__ import annotations

import glob
import itertools
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.network import check_network
from .chunks import BATCH_ROWS, ArrowChunk, Chunk, first_line
from .parquet import check_parquet

_HUB_TIMEOUT_S = 5.0


def folder_chunks(
    source: str, suffixes: tuple[str, ...], columns: Collection[str] | None = None, splits: Sequence[str] = ("train",)
) -> Iterator[Chunk]:
    """Yield chunks of a dataset folder; `suffixes` are those of data files. See `sources.read_chunks`."""
    folder = Path(source)
    saved = (folder / "dataset_info.json").exists() or (folder / "dataset_dict.json").exists()
    if not saved and not any(p.suffix.lower() in suffixes for p in folder.rglob("*") if p.is_file()):
        raise UsageError(f"{source}: is a folder without data files; name the file that holds the tasks")
    for file in [] if saved else folder.rglob("*.parquet"):
        check_parquet(str(file), file)
    import datasets

    try:
        if saved:
            yield from _split_chunks(source, datasets.load_from_disk(source), columns, splits)
        else:  # streaming: no copy of the user's files in a cache, which may not be writable
            with tempfile.TemporaryDirectory() as scratch:
                place = _plain_name(os.path.realpath(source), scratch)
                data = datasets.load_dataset(place, streaming=True, cache_dir=scratch)
                yield from _split_chunks(source, data, columns, splits)
    except Exception as error:  # the library raises anything on foreign data
        raise UsageError(f"{source}: `datasets` can't read this folder: {first_line(error)}") from error


def _plain_name(folder: str, scratch: str) -> str:
    """Return a name of the folder without the characters that `datasets` takes for patterns or chained addresses."""
    if folder == glob.escape(folder) and ":" not in folder:
        return folder
    return str(shutil.copytree(folder, os.path.join(scratch, "dataset"), copy_function=os.symlink))


def hub_chunks(
    name: str, columns: Collection[str] | None = None, splits: Sequence[str] = ("train",)
) -> Iterator[Chunk]:
    """Yield chunks of a dataset on the hub, or of its copy in the cache if the hub can't be reached.

    First ask the hub for the name, once and with a short timeout: without a network, `load_dataset` retries for half a
    minute; if the connection hangs, for many minutes.
    """
    import datasets
    import huggingface_hub
    from huggingface_hub import errors

    unreachable: Exception | None = None
    try:
        huggingface_hub.HfApi().dataset_info(name, timeout=_HUB_TIMEOUT_S)
    except (errors.RepositoryNotFoundError, errors.GatedRepoError):
        raise UsageError(
            f"{name}: neither a local file or folder nor a dataset on the hub that you may read; "
            "check the name, or log in with `hf auth login`"
        ) from None
    except Exception as error:  # no network, timeout, offline mode, server error: try the cache
        unreachable = error
    try:
        with _offline(unreachable is not None):
            builder = datasets.load_dataset_builder(name)
            for url in itertools.chain(*(builder.config.data_files or {}).values()):
                if url.endswith(".parquet"):  # `datasets` finds the download in its cache
                    check_parquet(f"{name}: {url.rpartition('/')[2]}", Path(datasets.DownloadManager().download(url)))
            builder.download_and_prepare()
            yield from _split_chunks(name, builder.as_dataset(), columns, splits)
    except UsageError:
        raise
    except Exception as error:
        if unreachable is not None:
            check_network(huggingface_hub.constants.ENDPOINT)  # may name the reason
        why = f"the hub can't be reached ({first_line(unreachable)})" if unreachable else first_line(error)
        raise UsageError(
            f"{name}: neither a local file or folder nor a dataset that can be loaded: {why}; check the name"
        ) from error


@contextmanager
def _offline(wanted: bool) -> Iterator[None]:
    """Restrict `datasets` to its cache, if `wanted`."""
    from datasets import config

    before = config.HF_HUB_OFFLINE
    config.HF_HUB_OFFLINE = before or wanted
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before


def _split_chunks(name: str, data: Any, columns: Collection[str] | None, splits: Sequence[str]) -> Iterator[Chunk]:
    """Yield the rows of the first of `splits` that exists, or of the first split of the dataset."""
    from datasets.features.features import require_decoding

    split = data[next((s for s in splits if s in data), next(iter(data)))] if isinstance(data, dict) else data
    number = 1
    for table in split.with_format("arrow").iter(BATCH_ROWS):
        schema, features = table.schema, split.features
        if columns and set(columns) <= set(schema.names):
            table = table.select(list(columns))
        # Images, audio and the like arrive encoded; `decode_example` restores the values that `datasets` would give.
        decode = None
        if features is not None and any(require_decoding(features[column]) for column in table.column_names):
            decode = features.decode_example
        for batch in table.combine_chunks().to_batches():
            yield ArrowChunk(name, batch, schema, range(number, number + len(batch)), decode)
            number += len(batch)
