"""Published terms for teacher outputs and seeds, and their consequences for a dataset. Not legal advice.

The terms are data in `terms.yaml`, each with its address and the day on which it was read. Terms that are not in the
table are reported as unknown; a license is never guessed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from ..config.options import TeacherOptions
from ..core.shipped import shipped_yaml

_MOST_NAMES = 3
"""Documents that a statement names."""

Training = Literal[
    "allowed", "silent", "conditions", "no_competing", "no_other_models", "no_training", "as_model", "unknown"
]
"""What terms say about training models on outputs; `terms.yaml` explains each value."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Summary of one published document.

    hosts, models: where the terms apply; `terms.yaml` explains them. license: license of the weights.
    naming: what a model trained on outputs must be called or display. stated: date given in the document.
    read: day on which the document was read, or None if it has not been read.
    """

    name: str
    training: Training
    says: str
    document: str
    address: str
    stated: date | None = None
    read: date | None = None
    license: str | None = None
    noncommercial: bool = False
    naming: str | None = None
    reseller: bool = False
    hosts: tuple[str, ...] = ()
    models: tuple[re.Pattern[str], ...] = ()

    @property
    def source(self) -> str:
        """Format document, dates, and address as the source of a statement."""
        dates = [f"of {self.stated}"] if self.stated else []
        dates.append(f"read {self.read}" if self.read else "not read")
        return f"{self.document}, {', '.join(dates)}, {self.address}"


@dataclass(frozen=True, slots=True)
class TeacherTerms:
    """All known terms for the outputs of one teacher.

    host: host of the teacher's server, or None if the teacher is not a server. provider: terms of that host.
    model: terms of the model, found by name. Both are None if the table has no entry.
    stated: the value of `teacher.license` in the configuration.
    """

    teacher: str
    host: str | None = None
    provider: Terms | None = None
    model: Terms | None = None
    stated: str | None = None

    @property
    def known(self) -> tuple[Terms, ...]:
        """Return the terms that apply, the provider's first."""
        return tuple(terms for terms in (self.provider, self.model) if terms is not None)


SEEDS = "Seed tasks"


@dataclass(frozen=True, slots=True)
class SourceTerms:
    """License of what questions were made from: as stated, or that of a bundled seed file, otherwise None.

    shipped: the name of the bundled seed file. what: 'Seed tasks', or the documents that have this license.
    """

    license: str | None = None
    shipped: str | None = None
    what: str = SEEDS


@dataclass(frozen=True, slots=True)
class Table:
    """The whole table. seeds: maps the digest of each bundled seed file to its name."""

    providers: tuple[Terms, ...]
    models: tuple[Terms, ...]
    fake: Terms
    seeds: Mapping[str, str] = field(default_factory=dict)


SEEDS_LICENSE = "Apache-2.0"
"""License of the bundled seed files, which were written for selfinstruct."""


@lru_cache(maxsize=1)
def load_table() -> Table:
    """Return the bundled table."""
    table = shipped_yaml(__package__, "terms.yaml")
    return Table(
        tuple(map(_terms, table["providers"])),
        tuple(map(_terms, table["models"])),
        _terms(table["fake"]),
        table["seeds"],
    )


def terms_of(teacher: TeacherOptions, host: str | None = None) -> TeacherTerms:
    """Look up the terms of a teacher that answered at `host` (by default, the host in its configuration).

    A provider's terms cover the models that the provider makes. For a reseller, a self-hosted server, or a local model,
    the license of the model applies, found by the name of the model.
    """
    table = load_table()
    stated = teacher.license
    if teacher.is_fake:
        return TeacherTerms(teacher.model, model=table.fake, stated=stated)
    if host is None and teacher.address is not None:
        host = urlsplit(teacher.address).hostname
    name = teacher.model.lower()
    model = next((terms for terms in table.models if any(p.search(name) for p in terms.models)), None)
    provider = next((terms for terms in table.providers if host and _is_under(host, terms.hosts)), None)
    # OpenAI's terms cover its own models; a reseller such as a router serves models of others.
    if provider is not None and not provider.reseller:
        model = None
    return TeacherTerms(teacher.model, host, provider, model, stated)


def seed_terms(stated: str | None, digest: str | None) -> SourceTerms:
    """Return the license of the seeds with this digest: as stated, otherwise that of the matching bundled file."""
    shipped = load_table().seeds.get(digest or "")
    return SourceTerms(stated or (SEEDS_LICENSE if shipped else None), shipped)


def document_terms(stated: str | Mapping[str, str] | None, documents: Sequence[str]) -> list[SourceTerms]:
    """Return the licenses of documents; those with the same one are listed together.

    stated: one license for all of them, or licenses by pattern; the first pattern that matches a document counts.
    """
    by_license: dict[str | None, list[str]] = {}
    patterns = {"*": stated} if isinstance(stated, str) else stated or {}
    for document in documents:
        license = next((license for pattern, license in patterns.items() if fnmatchcase(document, pattern)), None)
        by_license.setdefault(license, []).append(document)
    return [SourceTerms(license, what=f"Documents ({_some(names)})") for license, names in by_license.items()]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _is_under(host: str, hosts: tuple[str, ...]) -> bool:
    # 'eu.api.openai.com' is under 'api.openai.com', but 'notapi.openai.com' is not.
    return any(host == known or host.endswith("." + known) for known in hosts)


def _terms(row: dict[str, Any]) -> Terms:
    if row["training"] not in get_args(Training):
        raise ValueError(f"terms.yaml: {row['name']}: training: {row['training']}")
    # Compile the patterns once: '^qwen2\.5-3b'.
    patterns = tuple(re.compile(pattern) for pattern in row.pop("models", ()))
    return Terms(
        **{**row, "says": " ".join(row["says"].split()), "hosts": tuple(row.pop("hosts", ()))}, models=patterns
    )


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
    """Return every statement about a dataset's license, most serious first. stated: `dataset.license`, or None."""
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
