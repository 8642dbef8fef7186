"""An answer that could not be written still counts in the next start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import selfinstruct as si
from selfinstruct.core.errors import StorageError
from selfinstruct.journal.journal import Journal


def test_what_was_sent_counts_though_its_answer_could_not_be_written(
    make_config: Callable[..., si.RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, commit, calls = make_config(target=60, concurrency=1), Journal.commit, 0

    async def full_for_a_moment(*values: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise StorageError("the disk is full")
        return await commit(*values, **more)

    monkeypatch.setattr(Journal, "commit", full_for_a_moment)
    with pytest.raises(StorageError, match="the disk is full"):
        si.run(config)
    monkeypatch.setattr(Journal, "commit", commit)
    made = si.run(config)
    assert len(made.records()) == 60
    status = made.status()
    assert status.requests > status.asked - status.unanswered  # the lost one was sent, too
    assert status.killed >= 1
