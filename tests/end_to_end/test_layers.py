"""Each package imports only what the design allows; each heavy dependency and all SQL have one owner."""

from __future__ import annotations

import ast
import importlib
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from conftest import ROOT

PACKAGE = ROOT / "selfinstruct"
FIRST = set("core config tables novelty seeds documents sandbox strategies filters teachers journal ask".split())
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    "config": {"core"},
    "tables": {"core"},
    "novelty": {"core"},
    "verifiers": {"core", "sandbox"},
    "seeds": {"core", "tables"},
    "documents": {"core", "config", "novelty"},
    "sandbox": {"core"},
    "strategies": {"core", "config", "verifiers"},
    "filters": {"core", "config", "novelty", "tables", "verifiers"},
    "teachers": {"core", "config"},
    "journal": {"core", "config", "seeds"},
    "ask": {"core", "config", "teachers", "journal", "sandbox"},
    "dataset": {"core", "config", "tables", "novelty", "journal"},
    "generate": FIRST | {"dataset", "verifiers"},
    "trainers": {"core", "tables"},
    "dedup": {"core", "tables", "novelty", "journal"},
    "report": FIRST | {"dataset", "trainers", "dedup"},
    "worth": FIRST | {"dataset", "trainers", "dedup", "report", "generate", "verifiers"},
    "cli": FIRST | {"dataset", "trainers", "dedup", "report", "worth", "generate"},
}
"""What each package may import, in the order of docs/inside/design.md."""
OWNERS = {
    "openai": {"teachers"},
    "aiohttp": {"report", "teachers"},
    "datasets": {"dataset", "tables"},
    "pyarrow": {"dataset", "tables"},
    "spacy": {"dataset"},
    "py3langid": {"dataset"},
    "tokenizers": {"teachers", "trainers"},
    "torch": {"worth"},
    "transformers": {"worth"},
    "pypdfium2": {"documents"},
    "mammoth": {"documents"},
    "lxml": {"documents"},
    "jinja2": {"core", "report"},
    "rouge_score": {"novelty"},
    "huggingface_hub": {"dataset", "tables", "teachers"},
    "prometheus_client": {"report"},
    "sqlite3": {"journal", "strategies", "verifiers"},
}
"""Who may import a heavy dependency; for two owners, the reason is in docs/inside/design.md."""
SQL = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\b", re.S
)
HTTP_LIBRARIES = {"openai", "httpx", "httpx2", "aiohttp"}
PRIVATE = re.compile(r"_(?!_)")
FILES = {path: path.relative_to(PACKAGE).with_suffix("").parts for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in FILES.items()}
SHARED_CLASSES = {"Example", "Wording"}
"""Class names that still mean two things. Rename the classes, and remove their names here."""
PRAGMAS = ("# noqa", "# type: ignore", "# fmt:")
"""Comments for tools, not for readers."""
SHARED_NAMES = {"__init__", "options", "protocol", "teacher", "code", "maths", "structured", "lists", "constraints"}
"""`teacher.py` is the class of each kind of teacher, `options.py` its options, `protocol.py` what one must offer. A
kind of verifiable task draws tasks, and its verifier, of the same name, checks the answers."""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path, *, at_import: bool = False) -> list[tuple[str, bool]]:
    """(dotted module, whether it is one of ours) for each import in a file; at_import: only those run on import."""
    return list(_imports(path, at_import))


def _imports(path: Path, at_import: bool) -> Iterator[tuple[str, bool]]:
    parts = FILES[path]
    tree = tree_of(path)
    nodes = list(_run_on_import(tree.body)) if at_import else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*parts[: -node.level], *(node.module or "").split(".")]
            for alias in node.names:
                full = ".".join(filter(None, [*base, alias.name]))
                yield (full if full in MODULES else ".".join(filter(None, base))), True
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from ((name, False) for name in names)


def _run_on_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from _run_on_import([*node.body, *node.orelse])


def packages_imported(package: str) -> dict[str, str]:
    """The packages that `package` imports, each with a file that does."""
    found = {}
    for path, parts in FILES.items():
        if parts[0] == package:
            found |= {name.partition(".")[0]: str(path.relative_to(PACKAGE)) for name, ours in imports(path) if ours}
    found.pop(package, None)
    return found


def test_the_top_level_holds_packages_only() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}
    assert {parts[0] for parts in FILES.values()} - {"__init__", "__main__"} == set(ALLOWED)


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    found = packages_imported(package)
    assert {name: file for name, file in found.items() if name not in ALLOWED[package]} == {}


@pytest.mark.parametrize("dependency", OWNERS)
def test_a_heavy_dependency_is_imported_by_its_owner(dependency: str) -> None:
    users = {
        FILES[path][0]
        for path in FILES
        for name, ours in imports(path)
        if not ours and name.partition(".")[0] == dependency
    }
    assert users <= OWNERS[dependency]


def test_no_file_imports_itself_through_others() -> None:
    graph = {
        path: {MODULES[name] for name, ours in imports(path, at_import=True) if ours and MODULES.get(name) != path}
        for path in FILES
    }
    for path in list(graph):  # a package's __init__ may import its own files, which never import it back
        graph[path] = {target for target in graph[path] if target is not None}
    done: set[Path] = set()
    while ready := [path for path in graph if path not in done and graph[path] <= done]:
        done.update(ready)
    assert sorted(str(path.relative_to(PACKAGE)) for path in graph if path not in done) == []


def test_no_file_name_means_two_things() -> None:
    names = Counter(parts[-1] for parts in FILES.values())
    assert {name for name, count in names.items() if count > 1} <= SHARED_NAMES


def test_only_the_journal_writes_sql() -> None:
    found = []
    for path in [path for path, parts in FILES.items() if parts[0] != "journal"]:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert found == []


def test_http_libraries_are_used_by_their_public_names_only() -> None:
    """No private attribute or module of theirs, and no private method of theirs overridden."""
    found = []
    for path, parts in FILES.items():
        names = [name for name, ours in imports(path) if not ours and name.partition(".")[0] in HTTP_LIBRARIES]
        if not names:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        own = [node for node in attributes if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")]
        found += [node.attr for node in attributes if PRIVATE.match(node.attr) and node not in own]
        found += [name for name in names if "._" in name]
        module = importlib.import_module(".".join(("selfinstruct", *parts)))
        for each in [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]:
            for base in getattr(each, "__mro__", (each,))[1:]:
                if base.__module__.partition(".")[0] in HTTP_LIBRARIES:
                    found += [name for name in vars(each).keys() & vars(base).keys() if PRIVATE.match(name)]
    assert found == []


def test_no_class_name_means_two_things() -> None:
    names: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                names.setdefault(node.name, []).append(str(path.relative_to(PACKAGE)))
    assert {name: files for name, files in names.items() if len(files) > 1 and name not in SHARED_CLASSES} == {}


def test_the_code_says_why() -> None:
    """Comment lines, pragmas not counted, for each hundred lines of the package."""
    lines = comments = 0
    for path in FILES:
        lines += len(path.read_text(encoding="utf-8").splitlines())
        with path.open("rb") as file:
            tokens = [token for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
        comments += sum(not token.string.startswith(PRAGMAS) for token in tokens)
    assert comments / lines >= 0.025
