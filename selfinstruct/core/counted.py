"""Write a number with its noun in messages: '1 request', '2,000 requests'."""

from __future__ import annotations


def counted(count: float, noun: str) -> str:
    """Return a count and a regular noun, in the plural unless the count is one."""
    return f"{count:,.0f} {noun}" if count == 1 else f"{count:,.0f} {noun}s"
