"""Write numbers in messages, tables, and pages: counts with their noun, and amounts of money."""

from __future__ import annotations

import math


def counted(count: float, noun: str) -> str:
    """Return a count and a regular noun, in the plural unless the count is one."""
    return f"{count:,.0f} {noun}" if count == 1 else f"{count:,.0f} {noun}s"


def dollars(amount: float | None) -> str:
    """Format dollars: with two decimals, or two significant digits below ten cents, but never below $0.000001.

    None, an amount that depends on an unknown price, is 'unknown'.
    """
    if amount is None:
        return "unknown"
    if 0 < amount < 1e-6:
        return "<$0.000001"
    decimals = 2 if amount == 0 or amount >= 0.1 else min(6, 1 - math.floor(math.log10(amount)))
    return f"${amount:,.{decimals}f}"


def dollars_per_1000_records(each: float) -> str:
    """Format the dollars of one record as those of a thousand, which is an amount that people can picture."""
    return f"{dollars(1000 * each)} per 1,000 records"


def compact(value: float) -> str:
    """Format a number in few characters: 0.05, 12, 3,400, 52k, 1.2M."""
    # 9,999 is still short; from 10,000 on, use a unit.
    for limit, divisor, unit in ((1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= limit:
            return f"{value / divisor:.1f}".removesuffix(".0") + unit
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value == 0 or value >= 1e-4 else f"{value:.9f}".rstrip("0")
