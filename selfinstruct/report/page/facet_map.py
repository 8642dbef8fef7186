"""The map of a report: how far each combination of two facets is covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.facets import Coverage


@dataclass(frozen=True, slots=True)
class FacetMap:
    """The coverage of each combination of two facets. columns: values of one facet. rows: of the other, with cells."""

    title: str
    facets: tuple[str, str]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Coverage | None, ...]], ...]


def facet_maps(coverage: Sequence[Coverage]) -> list[FacetMap]:
    """Lay out the combinations of two facets as a map, with the facet of fewer values as columns."""
    maps, cells = [], {(each.facet, each.value): each for each in coverage}
    for facet in dict.fromkeys(each.facet for each in coverage if each.facet.count(", ") == 1):
        first, second = facet.split(", ")
        values = {name: [each.value for each in coverage if each.facet == name] for name in (first, second)}
        down, across = sorted((first, second), key=lambda name: -len(values[name]))
        rows = []
        for value in values[down]:
            pairs = [(value, other) if down == first else (other, value) for other in values[across]]
            rows.append((value, tuple(cells.get((facet, ", ".join(pair))) for pair in pairs)))
        asked = [each for each in coverage if each.facet == facet and each.requested]
        title = f"{facet}: {sum(each.is_near for each in asked):,} of {len(asked):,} within 20% of their share"
        maps.append(FacetMap(title, (down, across), tuple(values[across]), tuple(rows)))
    return maps
