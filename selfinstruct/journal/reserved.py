"""What the requests in flight may cost, on disk before they leave: if a start is killed, it counts as spent.

There is one row for each teacher: the most that its requests may use whose answers aren't committed yet. A new peak is
committed before the request leaves; below the peak nothing is written, so a steady run costs no commits.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass

from .history import SET_META
from .store import Statement, Store

_KEY = "reserved:"
_DELETE = "DELETE FROM meta WHERE key = ?"
SPENT = (
    "SELECT purpose, teacher, requests, prompt_tokens, completion_tokens, cost_usd, assumed FROM answers"
    " WHERE inherited = 0"
)
"""What the run itself has spent; answers copied from another run don't count."""
AND_RESERVED = (
    " UNION ALL SELECT 'unanswered', substr(key, 10), json_extract(value, '$[0]'), json_extract(value, '$[1]'),"
    " json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[0]')"
    " FROM meta WHERE key LIKE 'reserved:%'"
)
"""Add it to `SPENT` if no process works on the run: what was in flight when the last start was killed."""


@dataclass(slots=True)
class Amounts:
    """Requests, tokens, and dollars, to be added up."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0

    def add(self, other: Amounts, sign: int = 1) -> None:
        """Add `other`, or subtract it with the sign -1."""
        self.requests += sign * other.requests
        self.prompt_tokens += sign * other.prompt_tokens
        self.completion_tokens += sign * other.completion_tokens
        self.cost_usd += sign * other.cost_usd

    def plus(self, other: Amounts) -> Amounts:
        """Return the sum as a new value."""
        total = Amounts(self.requests, self.prompt_tokens, self.completion_tokens, self.cost_usd)
        total.add(other)
        return total

    def share(self, parts: int) -> Amounts:
        """Return one of so many equal parts, in whole requests; nothing if that is no request."""
        requests = self.requests // parts
        if not requests:
            return Amounts()
        tokens = self.prompt_tokens // parts, self.completion_tokens // parts
        return Amounts(requests, *tokens, self.cost_usd / parts)

    def peak(self, other: Amounts) -> Amounts:
        """Return the larger of each amount."""
        return Amounts(*map(max, astuple(self), astuple(other)))

    def covers(self, other: Amounts) -> bool:
        """Return whether no amount of `other` is larger."""
        return (
            self.requests >= other.requests
            and self.prompt_tokens >= other.prompt_tokens
            and self.completion_tokens >= other.completion_tokens
            and self.cost_usd >= other.cost_usd - 1e-9  # rounding
        )


class Reserved:
    """Reads and writes the rows of one journal."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def commit(self, teacher: str, amounts: Amounts, *, priced: bool) -> None:
        """Write the most that the requests in flight of a teacher may use; return once it is on disk.

        priced: whether the teacher's price is known.
        """
        await self._store.commit(_set(teacher, amounts, priced=priced))

    def note(self, teacher: str, amounts: Amounts, *, priced: bool) -> None:
        """Write the same with the next commit: the rest is in answers and failures that were written before."""
        self._store.note(_set(teacher, amounts, priced=priced))

    def left_behind(self) -> list[tuple[str, Amounts, bool]]:
        """Return what a killed start has left behind: (teacher, amounts, whether the price was known)."""
        rows = self._store.rows("SELECT key, value FROM meta WHERE key LIKE ?", (f"{_KEY}%",))
        values = ((key.removeprefix(_KEY), json.loads(value)) for key, value in rows)
        return [
            (teacher, Amounts(requests, prompt, completion, cost or 0.0), cost is not None)
            for teacher, (requests, prompt, completion, cost) in values
        ]


def delete(teacher: str) -> Statement:
    """Return the statement that deletes the row of a teacher."""
    return _DELETE, (_KEY + teacher,)


def _set(teacher: str, amounts: Amounts, *, priced: bool) -> Statement:
    if not amounts.requests:
        return delete(teacher)
    row = [amounts.requests, amounts.prompt_tokens, amounts.completion_tokens, amounts.cost_usd if priced else None]
    return SET_META, (_KEY + teacher, json.dumps(row))
