"""What a run has spent, for what, and what its target will cost at this rate: told by `status` and at a run's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .status import Status


def spending(now: Status) -> dict[str, str]:
    """Rows of names and values: the sum, each purpose, each teacher where there are several, one record, the target."""
    priced = now.cost_usd is not None
    parts = _shares("for", now.by_purpose, priced)
    if len(now.by_teacher) > 1:
        parts |= _shares("by", now.by_teacher, priced)
    if now.cost_usd is None:
        return {"cost": "not known", **parts}
    source = f" ({now.price_source})" if now.price_source else ""
    rows = {"cost": f"${now.cost_usd:,.4f}{source}", **parts}
    if now.cost_per_record_usd is not None and now.target_cost_usd is not None:
        rows["  per record"] = f"${now.cost_per_record_usd:,.6f}"
        rows["  the target at this rate"] = f"${now.target_cost_usd:,.2f} for {now.target:,} records"
    return rows


def _shares(word: str, used: dict[str, dict[str, float]], priced: bool) -> dict[str, str]:
    return {
        f"  {word} {name}": f"{each['requests']:,.0f} requests, {each['prompt_tokens']:,.0f} + "
        f"{each['completion_tokens']:,.0f} tokens" + (f", ${each['cost_usd']:,.4f}" if priced else "")
        for name, each in used.items()
    }
