"""Reads YAML with bounds on size, depth, aliases, and numbers, because 1 kB of it can unpack to gigabytes."""

from __future__ import annotations

from typing import Any

import yaml

MAX_CHARS = 1_000_000
"""Longest text that is read."""
_MAX_VALUES = 20_000
_MAX_DEPTH = 100


class OutOfBounds(yaml.MarkedYAMLError):
    """A text exceeds a bound; `problem` says which and what to do, and doesn't repeat a value."""


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader with bounds. Raises OutOfBounds."""

    _composed = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return a node. Stops early: PyYAML needs a minute for a megabyte of small values."""
        self._composed += 1
        if self._composed > _MAX_VALUES:
            raise _many(self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def get_single_node(self) -> Any:
        """Return the root node, once its values are counted with every alias expanded, as merge keys expand them."""
        try:
            node = super().get_single_node()
            if node is not None:
                _count(node, {}, 0)
        except RecursionError:
            raise _deep(None) from None
        return node

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """Return a number that fits into 64 bits."""
        # Longer digits aren't even read: Python needs minutes for a million of them.
        value = self.construct_yaml_int(node) if len(node.value) <= 80 else 2**63
        if not -(2**63) <= value < 2**63:
            raise OutOfBounds(None, None, "a number beyond 64 bits; write a smaller one", node.start_mark)
        return int(value)


BoundedLoader.add_constructor("tag:yaml.org,2002:int", BoundedLoader.construct_integer)


def _count(node: yaml.Node, counted: dict[int, int | None], depth: int) -> int:
    """Return the number of values below a node. counted: earlier results by the node's id; None while being counted."""
    known = counted.get(id(node), 0)
    if known is None:
        raise OutOfBounds(None, None, "an alias that contains itself; remove it", node.start_mark)
    if known:
        return known
    if depth > _MAX_DEPTH:
        raise _deep(node.start_mark)
    counted[id(node)], count = None, 1
    if isinstance(node, yaml.CollectionNode):
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(inner,) for inner in node.value]
        count += sum(_count(inner, counted, depth + 1) for pair in pairs for inner in pair)
    if count > _MAX_VALUES:
        raise _many(node.start_mark)
    counted[id(node)] = count
    return count


def _many(mark: Any) -> OutOfBounds:
    return OutOfBounds(None, None, f"more than {_MAX_VALUES:,} values, with its aliases; write fewer", mark)


def _deep(mark: Any) -> OutOfBounds:
    return OutOfBounds(None, None, f"nested more than {_MAX_DEPTH} levels deep; write it flatter", mark)
