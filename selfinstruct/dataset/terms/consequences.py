"""What follows for a dataset from the terms of its teachers and seeds. It is stated, not judged."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .table import SeedTerms, TeacherTerms, Terms

_RESTRICTIONS = {
    "no_competing": "forbid using outputs to develop competing models or services",
    "no_other_models": "forbid using outputs to improve any other language model than their own family's",
    "no_training": "forbid using outputs to train models",
}
_NOTES = {
    "allowed": "expressly allow training other models on outputs",
    "silent": "set no condition for training on outputs, as far as they were read",
    "as_model": "leave outputs to the terms of the model",
}
_OPEN = ("apache-", "mit", "bsd", "cc0-", "cc-by-4", "cc-by-3", "cc-by-sa-", "odc-", "pddl", "unlicense", "isc", "gpl-")
"""How the names of licences begin that allow every use, also commercial, and don't know such conditions."""


Kind = Literal["restriction", "condition", "conflict", "unknown", "note"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence for the card and the end of a run; detail: what was read, source: where, empty where there is none.

    kind: 'restriction' (training on it is restricted, or non-commercial use only), 'condition', 'conflict' (with the
    licence that is stated for the dataset), 'unknown', 'note'.
    """

    kind: Kind
    text: str
    detail: str = ""
    source: str = ""

    @property
    def line(self) -> str:
        """Kind, sentence and source in one line."""
        return f"{self.kind}: {self.text}" + (f" ({self.source})" if self.source else "")


def consequences(seeds: SeedTerms, teachers: Sequence[TeacherTerms], stated: str | None) -> list[Statement]:
    """All that is to be said of the licence of a dataset; stated: `dataset.license`, or None. Gravest first."""
    said = [*_of_seeds(seeds), *(statement for teacher in teachers for statement in _of_teacher(teacher))]
    limits = [s for s in said if s.kind in ("restriction", "condition")]
    if stated is not None and stated.lower().startswith(_OPEN) and limits:
        said.append(
            Statement("conflict", f"The stated licence, {stated}, passes none of these restrictions and conditions on.")
        )
    if stated is not None and _shares_alike(seeds.license) and stated.lower() != (seeds.license or "").lower():
        said.append(
            Statement("conflict", f"The seeds' licence, {seeds.license}, is share-alike; the stated one is {stated}.")
        )
    order = ("restriction", "conflict", "condition", "unknown", "note")
    return sorted(dict.fromkeys(said), key=lambda statement: order.index(statement.kind))


def _of_seeds(seeds: SeedTerms) -> list[Statement]:
    if seeds.license is None:
        return [Statement("unknown", "The licence of the seed tasks is not stated (seeds_license).")]
    if _noncommercial(seeds.license):
        return [Statement("restriction", f"Seed tasks: {seeds.license} allows non-commercial use only.")]
    whose = f"as shipped with the program ({seeds.shipped})" if seeds.shipped else "as stated by the dataset's maker"
    return [Statement("note", f"Seed tasks: {seeds.license}, {whose}.")]


def _of_teacher(teacher: TeacherTerms) -> list[Statement]:
    said = [statement for terms in teacher.known for statement in _of_terms(teacher, terms)]
    if teacher.stated is not None:
        kind: Kind = "restriction" if _noncommercial(teacher.stated) else "note"
        said.append(Statement(kind, f"Of {teacher.teacher}'s outputs the dataset's maker states: {teacher.stated}."))
    elif not teacher.known or (teacher.model is None and (teacher.provider is None or teacher.provider.reseller)):
        said.append(Statement("unknown", f"The licence of the model {teacher.teacher} is not in the program's table."))
    if teacher.host is not None and teacher.provider is None and not _own(teacher.host):
        said.append(Statement("unknown", f"The terms of the server {teacher.host} are not in the program's table."))
    return said


def _of_terms(teacher: TeacherTerms, terms: Terms) -> list[Statement]:
    whose = f"{teacher.teacher}: the terms of {terms.name}"
    found: list[tuple[Kind, str]] = []
    if terms.training in _RESTRICTIONS:
        found.append(("restriction", f"{whose} {_RESTRICTIONS[terms.training]}."))
    if terms.noncommercial:
        found.append(("restriction", f"{whose} allow non-commercial use only."))
    if terms.training == "conditions":
        naming = f"; required: {terms.naming}" if terms.naming else ""
        found.append(("condition", f"{whose} set conditions for models that are trained on outputs{naming}."))
    if terms.training == "unknown":
        found.append(("unknown", f"{whose}: what they say of training on outputs is not known here."))
    if not found:
        found.append(("note", f"{whose} {_NOTES[terms.training]}."))
    license = f" Licence of the weights: {terms.license}." if terms.license else ""
    return [Statement(kind, text, terms.says + license, terms.source) for kind, text in found]


def _noncommercial(license: str) -> bool:
    return "-nc" in license.lower() or "non-commercial" in license.lower() or "noncommercial" in license.lower()


def _shares_alike(license: str | None) -> bool:
    return license is not None and "-sa-" in f"{license.lower()}-"


def _own(host: str) -> bool:
    """Whether a host is one's own by its form: this machine, or an address or name of a private network."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))
