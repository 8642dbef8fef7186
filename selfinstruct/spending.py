"""What a run has spent, for what, and what its target will cost at this rate: told by `status` and at a run's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .runs import Status


def spending(now: Status) -> dict[str, str]:
    """Rows of names and values: the sum, each purpose, one record, the target."""
    if now.cost_usd is None:
        return {"cost": "not known", **_purposes(now, priced=False)}
    source = f" ({now.price_source})" if now.price_source else ""
    rows = {"cost": f"${now.cost_usd:,.4f}{source}", **_purposes(now, priced=True)}
    if now.cost_per_record_usd is not None and now.target_cost_usd is not None:
        rows["  per record"] = f"${now.cost_per_record_usd:,.6f}"
        rows["  the target at this rate"] = f"${now.target_cost_usd:,.2f} for {now.target:,} records"
    return rows


def _purposes(now: Status, *, priced: bool) -> dict[str, str]:
    return {
        f"  for {purpose}": f"{used['requests']:,.0f} requests, {used['prompt_tokens']:,.0f} + "
        f"{used['completion_tokens']:,.0f} tokens" + (f", ${used['cost_usd']:,.4f}" if priced else "")
        for purpose, used in now.by_purpose.items()
    }
