"""Derive statements about a dataset's license from the terms of its teachers and seeds."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .table import SEEDS, SourceTerms, TeacherTerms, Terms

_RESTRICTIONS = {
    "no_competing": "forbid using outputs to develop competing models or services",
    "no_other_models": "forbid using outputs to improve language models outside the same family",
    "no_training": "forbid using outputs to train models",
}
_NOTES = {
    "allowed": "expressly allow training other models on outputs",
    "silent": "set no condition for training on outputs in the parts that were read",
    "as_model": "refer to the terms of the model for outputs",
}
_OPEN = ("apache-", "mit", "bsd", "cc0-", "cc-by-4", "cc-by-3", "cc-by-sa-", "odc-", "pddl", "unlicense", "isc", "gpl-")
"""Prefixes of license names that allow every use, including commercial use, without conditions on training."""

Kind = Literal["restriction", "condition", "conflict", "unknown", "note"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence about the license, for the card and for the end of a run.

    kind: 'restriction' (training on outputs is restricted, or only non-commercial use is allowed), 'condition',
    'conflict' (with the license stated for the dataset), 'unknown', or 'note'.
    detail: summary of the terms; source: their document and address. Both may be empty.
    """

    kind: Kind
    text: str
    detail: str = ""
    source: str = ""

    @property
    def line(self) -> str:
        """Format kind, sentence, and source on one line."""
        return f"{self.kind}: {self.text}" + (f" ({self.source})" if self.source else "")


def consequences(
    sources: Sequence[SourceTerms], teachers: Sequence[TeacherTerms], stated: str | None
) -> list[Statement]:
    """Return every statement about a dataset's license, most serious first.

    Args:
        sources: Licenses of the seed tasks and of the documents.
        teachers: Terms of each teacher that answered.
        stated: The value of `dataset.license`, or None.
    """
    statements = [
        *map(_source_statement, sources),
        *(each for teacher in teachers for each in _teacher_statements(teacher)),
    ]
    # A permissive license does not pass on the limits that the terms set.
    limits = [each for each in statements if each.kind in ("restriction", "condition")]
    if stated is not None and stated.lower().startswith(_OPEN) and limits:
        text = f"The stated license, {stated}, does not pass on these restrictions and conditions."
        statements.append(Statement("conflict", text))
    # Share-alike sources require the same license for the dataset.
    for each in sources:
        if stated is not None and _is_share_alike(each.license) and stated.lower() != (each.license or "").lower():
            text = f"{each.what}: {each.license} is share-alike, but the stated license is {stated}."
            statements.append(Statement("conflict", text))
    order = ("restriction", "conflict", "condition", "unknown", "note")
    return sorted(dict.fromkeys(statements), key=lambda statement: order.index(statement.kind))


def _source_statement(source: SourceTerms) -> Statement:
    if source.license is None:
        key = "seeds_license" if source.what == SEEDS else "documents_license"
        return Statement("unknown", f"{source.what}: the license is not stated ({key}).")
    if _noncommercial(source.license):
        return Statement("restriction", f"{source.what}: {source.license} allows non-commercial use only.")
    shipped = source.shipped
    basis = f"as shipped with selfinstruct ({shipped})" if shipped else "as stated by the dataset's creator"
    return Statement("note", f"{source.what}: {source.license}, {basis}.")


def _teacher_statements(teacher: TeacherTerms) -> list[Statement]:
    statements = [statement for terms in teacher.known for statement in _terms_statements(teacher, terms)]
    if teacher.stated is not None:
        kind: Kind = "restriction" if _noncommercial(teacher.stated) else "note"
        text = f"License of the outputs of {teacher.teacher}, as stated by the dataset's creator: {teacher.stated}."
        statements.append(Statement(kind, text))
    elif not teacher.known or (teacher.model is None and (teacher.provider is None or teacher.provider.reseller)):
        text = f"The license of the model {teacher.teacher} is not in the built-in table."
        statements.append(Statement("unknown", text))
    if teacher.host is not None and teacher.provider is None and not _is_private(teacher.host):
        text = f"The terms of the server {teacher.host} are not in the built-in table."
        statements.append(Statement("unknown", text))
    return statements


def _terms_statements(teacher: TeacherTerms, terms: Terms) -> list[Statement]:
    subject = f"{teacher.teacher}: the terms of {terms.name}"
    claims: list[tuple[Kind, str]] = []
    if terms.training in _RESTRICTIONS:
        claims.append(("restriction", f"{subject} {_RESTRICTIONS[terms.training]}."))
    if terms.noncommercial:
        claims.append(("restriction", f"{subject} allow non-commercial use only."))
    if terms.training == "conditions":
        naming = f"; required: {terms.naming}" if terms.naming else ""
        claims.append(("condition", f"{subject} set conditions for models that are trained on outputs{naming}."))
    if terms.training == "unknown":
        claims.append(("unknown", f"{subject} have not been read; whether they allow training on outputs is unknown."))
    if not claims:
        claims.append(("note", f"{subject} {_NOTES[terms.training]}."))
    license = f" License of the weights: {terms.license}." if terms.license else ""
    return [Statement(kind, text, terms.says + license, terms.source) for kind, text in claims]


def _noncommercial(license: str) -> bool:
    return "-nc" in license.lower() or "non-commercial" in license.lower() or "noncommercial" in license.lower()


def _is_share_alike(license: str | None) -> bool:
    # The suffix makes 'cc-by-sa' without a version match, too.
    return license is not None and "-sa-" in f"{license.lower()}-"


def _is_private(host: str) -> bool:
    """Return whether a host name or address belongs to this machine or to a private network."""
    # A name without a dot, such as 'localhost', is private as well.
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))
