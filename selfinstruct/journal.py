"""The run's one file: every answer that was paid for, and the ledger of what became of it.

SQLite in WAL mode, `synchronous=FULL`. One thread writes: answers that arrive while a commit is under way
go into the next one, so durability costs a commit per batch, not per answer, and `commit` returns
only when the answer is on disk. Reads come from a second connection and never wait for a write.

`answers` is the truth. `verdicts` and `records` follow from it and are made anew when the program changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import StorageError, UsageError
from .schema import Completion, Instance, Neighbour, Prompt, Record, Usage, Verdict

FORMAT = 1
"""Version of the file's tables; stands in `PRAGMA user_version`."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE generations (
    number INTEGER PRIMARY KEY, first_question INTEGER NOT NULL, digest TEXT NOT NULL,
    meaning TEXT NOT NULL, config TEXT NOT NULL, program TEXT NOT NULL);
CREATE TABLE texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE answers (
    key TEXT PRIMARY KEY, question INTEGER, purpose TEXT NOT NULL,
    prompt TEXT NOT NULL, demos TEXT NOT NULL, version TEXT NOT NULL,
    text TEXT NOT NULL, finish_reason TEXT NOT NULL, error TEXT, failed INTEGER NOT NULL, logprobs TEXT,
    model TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, cost_usd REAL, asked_at REAL NOT NULL, latency_s REAL NOT NULL,
    inherited INTEGER NOT NULL DEFAULT 0);
CREATE INDEX answers_by_question ON answers (question) WHERE question IS NOT NULL;
CREATE TABLE verdicts (
    question INTEGER NOT NULL, idx INTEGER NOT NULL, stage TEXT NOT NULL, part INTEGER NOT NULL,
    instruction TEXT NOT NULL, reason TEXT, detail TEXT NOT NULL, score REAL, nearest TEXT,
    PRIMARY KEY (question, idx, stage, part)) WITHOUT ROWID;
CREATE TABLE records (
    question INTEGER NOT NULL, idx INTEGER NOT NULL, id TEXT NOT NULL, instruction TEXT NOT NULL,
    instances TEXT NOT NULL, is_classification INTEGER, strategy TEXT NOT NULL, teacher TEXT NOT NULL,
    prompt_version TEXT NOT NULL, demos TEXT NOT NULL, nearest TEXT, neighbours TEXT NOT NULL,
    mean_similarity REAL, PRIMARY KEY (question, idx)) WITHOUT ROWID;
"""
_ANSWER_COLUMNS = (
    "key question purpose prompt demos version text finish_reason error failed logprobs model "
    "prompt_tokens completion_tokens cached_tokens cost_usd asked_at latency_s"
).split()
_INSERT_ANSWER = f"INSERT INTO answers ({', '.join(_ANSWER_COLUMNS)}) VALUES ({', '.join('?' * len(_ANSWER_COLUMNS))})"
_INSERT_VERDICT = "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_RECORD = "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_GENERATION = "INSERT INTO generations (first_question, digest, meaning, config, program) VALUES (?, ?, ?, ?, ?)"
_SET_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
_NOTES_A_FLUSH = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """An answered question as the journal keeps it: what was shown, under which wording, and what came back."""

    completion: Completion
    demos: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run has spent itself (answers taken over from another run are not counted)."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Generation:
    """A stretch of questions asked under one configuration. A run has one; a fork adds another."""

    number: int
    first_question: int
    digest: str
    meaning: dict[str, Any]
    config: dict[str, Any]


class Journal:
    """One open journal. `commit` needs a running event loop; everything else doesn't.

    Raises StorageError when the file can't be read or written, UsageError when it isn't a journal.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._answers: list[tuple[tuple[Any, ...], asyncio.Future[None]]] = []
        self._texts: set[str] = set()
        self._notes: list[tuple[str, tuple[Any, ...]]] = []
        self._writing: asyncio.Task[None] | None = None
        with _storage(path):
            if read_only:
                self._write = self._read = _connect(path, read_only=True)
            else:
                path.touch(mode=0o600)
                self._write = _connect(path)
                self._prepare()
                self._read = _connect(path, read_only=True)
        version = self._read.execute("PRAGMA user_version").fetchone()[0]
        if version != FORMAT:
            self.close()
            raise UsageError(f"{path}: journal format {version}, this program reads {FORMAT}; start a new run")

    def _prepare(self) -> None:
        self._write.execute("PRAGMA journal_mode=WAL")
        self._write.execute("PRAGMA synchronous=FULL")
        if self._write.execute("PRAGMA user_version").fetchone()[0] == 0:
            with self._write:
                self._write.execute("BEGIN IMMEDIATE")
                for statement in _TABLES.split(";"):
                    self._write.execute(statement)
                self._write.execute(f"PRAGMA user_version={FORMAT}")

    # --- answers -----------------------------------------------------------------------------

    def recall(self, key: str) -> Answer | None:
        """The committed answer to question `key`, or None."""
        row = self._read.execute(
            "SELECT text, finish_reason, prompt_tokens, completion_tokens, cached_tokens, model, error, failed,"
            " logprobs, demos, version FROM answers WHERE key = ?",
            (key,),
        ).fetchone()
        if row is None:
            return None
        completion = Completion(
            text=row[0],
            finish_reason=row[1],
            usage=Usage(row[2], row[3], row[4]),
            model=row[5],
            error=row[6],
            failed=bool(row[7]),
            logprobs=json.loads(row[8]) if row[8] else None,
        )
        return Answer(completion, tuple(json.loads(row[9])), row[10])

    async def commit(
        self,
        key: str,
        question: int | None,
        prompt: Prompt,
        completion: Completion,
        cost_usd: float | None,
        asked_at: float,
        latency_s: float,
    ) -> None:
        """Put an answer on disk. Returns when it is durable; raises StorageError when it can't be."""
        usage = completion.usage
        logprobs = json.dumps(dict(completion.logprobs)) if completion.logprobs else None
        row = (
            key,
            question,
            prompt.purpose,
            self._prompt_json(prompt),
            json.dumps(prompt.demos),
            prompt.version,
            completion.text,
            completion.finish_reason,
            completion.error,
            int(completion.failed),
            logprobs,
            completion.model,
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            cost_usd,
            asked_at,
            latency_s,
        )
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers.append((row, done))
        self._start_writing()
        await done

    def forget(self, keys: Iterable[str]) -> None:
        """Take failed answers out again, so that a later start asks them anew. Only failures are ever forgotten."""
        rows = [(key,) for key in keys]
        statement = "DELETE FROM answers WHERE key = ? AND failed = 1"
        self._at_once([*((statement, row) for row in rows), (_SET_META, ("derived_from", "to be made anew"))])

    def totals(self) -> Totals:
        """What the run has spent so far."""
        row = self._read.execute(
            "SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),"
            " coalesce(sum(cost_usd), 0.0) FROM answers WHERE inherited = 0"
        ).fetchone()
        return Totals(*row)

    def _prompt_json(self, prompt: Prompt) -> str:
        """What was sent, as JSON; the fixed first part stands once in `texts` and is named by its hash."""
        messages: list[list[str]] = [[m.role, m.content] for m in prompt.messages]
        if len(messages) > 1:
            text = prompt.messages[0].content
            name = _name_of(text)
            if name not in self._texts:
                self._texts.add(name)
                self._notes.append(("INSERT OR IGNORE INTO texts VALUES (?, ?)", (name, text)))
            messages[0] = [messages[0][0], "", name]
        sent = {
            "endpoint": prompt.endpoint,
            "messages": messages,
            "sampling": {k: v for k, v in asdict(prompt.sampling).items() if v is not None},
        }
        if prompt.schema is not None:
            sent["schema"] = prompt.schema["title"]
        return json.dumps(sent, ensure_ascii=False)

    # --- what became of them -----------------------------------------------------------------

    def note(self, question: int, index: int, stage: str, part: int, instruction: str, verdict: Verdict) -> None:
        """Write a verdict into the ledger, with the next commit."""
        row = (question, index, stage, part, instruction, *_verdict_columns(verdict))
        self._note(_INSERT_VERDICT, row)

    def keep(self, record: Record) -> None:
        """Write a finished record, with the next commit."""
        nearest = json.dumps([record.nearest.id, record.nearest.score]) if record.nearest else None
        row = (
            record.question,
            record.index,
            record.id,
            record.instruction,
            json.dumps([[i.input, i.output] for i in record.instances], ensure_ascii=False),
            None if record.is_classification is None else int(record.is_classification),
            record.strategy,
            record.teacher,
            record.prompt_version,
            json.dumps(record.demos),
            nearest,
            json.dumps([[n.id, n.score] for n in record.neighbours]),
            record.mean_similarity,
        )
        self._note(_INSERT_RECORD, row)

    def renew(self, basis: str) -> None:
        """Drop verdicts and records that were derived on another basis (program, filters); they are made again."""
        if self.meta("derived_from") != basis:
            self._at_once(
                [
                    ("DELETE FROM verdicts", ()),
                    ("DELETE FROM records", ()),
                    (_SET_META, ("derived_from", basis)),
                ]
            )

    def records(self, limit: int | None = None) -> Iterator[Record]:
        """Finished records in admission order, at most `limit`."""
        rows = self._read.execute(
            "SELECT * FROM records ORDER BY question, idx LIMIT ?", (-1 if limit is None else limit,)
        )
        for row in rows:
            nearest = json.loads(row[10]) if row[10] else None
            yield Record(
                id=row[2],
                question=row[0],
                index=row[1],
                instruction=row[3],
                instances=tuple(Instance(*pair) for pair in json.loads(row[4])),
                is_classification=None if row[5] is None else bool(row[5]),
                strategy=row[6],
                teacher=row[7],
                prompt_version=row[8],
                demos=tuple(json.loads(row[9])),
                nearest=Neighbour(*nearest) if nearest else None,
                neighbours=tuple(Neighbour(*pair) for pair in json.loads(row[11])),
                mean_similarity=row[12],
            )

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Rows of a read-only query, for reports."""
        with _storage(self.path):
            return self._read.execute(sql, parameters).fetchall()

    # --- the run ------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """A value of the run's own notes, or None."""
        row = self._read.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, **notes: str) -> None:
        """Write some of the run's own notes at once."""
        self._at_once([(_SET_META, note) for note in notes.items()])

    def generations(self) -> list[Generation]:
        """The configurations of this run, oldest first; empty for a new journal."""
        rows = self._read.execute(
            "SELECT number, first_question, digest, meaning, config FROM generations ORDER BY number"
        )
        return [Generation(r[0], r[1], r[2], json.loads(r[3]), json.loads(r[4])) for r in rows]

    def begin_generation(self, digest: str, meaning: dict[str, Any], config: dict[str, Any], program: str) -> None:
        """Questions after the last one known belong to a new configuration from here on."""
        row = self._read.execute("SELECT coalesce(max(question) + 1, 0) FROM answers").fetchone()
        values = (row[0], digest, json.dumps(meaning), json.dumps(config), program)
        self._at_once([(_INSERT_GENERATION, values)])

    def refresh_config(self, config: dict[str, Any]) -> None:
        """Keep the latest values of the keys that may change freely with the current generation."""
        statement = "UPDATE generations SET config = ? WHERE number = (SELECT max(number) FROM generations)"
        self._at_once([(statement, (json.dumps(config),))])

    def copy_to(self, path: Path) -> None:
        """Copy the whole journal to a new file, its answers marked as taken over."""
        with _storage(path):
            path.touch(mode=0o600)
            target = sqlite3.connect(path)
            with contextlib.closing(target):
                self._read.backup(target)
                with target:
                    target.execute("UPDATE answers SET inherited = 1")
                    target.execute("DELETE FROM verdicts")
                    target.execute("DELETE FROM records")
                    target.execute("DELETE FROM meta")

    def flush(self) -> None:
        """Write what is still noted."""
        if self._notes:
            self._pool.submit(self._flush, []).result()

    def close(self) -> None:
        """Write what is still noted and close the file."""
        try:
            self.flush()
        finally:
            self._pool.shutdown()
            self._read.close()
            self._write.close()

    # --- writing ------------------------------------------------------------------------------

    def _at_once(self, statements: list[tuple[str, tuple[Any, ...]]]) -> None:
        """Run statements as one transaction, on the writing thread, and wait for it."""

        def write() -> None:
            with _storage(self.path), self._write:
                self._write.execute("BEGIN IMMEDIATE")
                for statement, row in statements:
                    self._write.execute(statement, row)

        self._pool.submit(write).result()

    def _note(self, statement: str, row: tuple[Any, ...]) -> None:
        self._notes.append((statement, row))
        if len(self._notes) >= _NOTES_A_FLUSH:
            self._start_writing()

    def _start_writing(self) -> None:
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        """Commit batch after batch until nothing waits; each batch is what came in during the one before."""
        loop = asyncio.get_running_loop()
        while self._answers or len(self._notes) >= _NOTES_A_FLUSH:
            batch, self._answers = self._answers, []
            try:
                await loop.run_in_executor(self._pool, self._flush, [row for row, _ in batch])
            except StorageError as error:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
            else:
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)
        self._writing = None

    def _flush(self, answers: list[tuple[Any, ...]]) -> None:
        notes, self._notes = self._notes, []
        try:
            with _storage(self.path), self._write:
                self._write.execute("BEGIN IMMEDIATE")
                for statement, row in notes:
                    self._write.execute(statement, row)
                self._write.executemany(_INSERT_ANSWER, answers)
        except StorageError:
            self._notes = notes + self._notes
            raise


def _connect(path: Path, read_only: bool = False) -> sqlite3.Connection:
    if read_only and not path.exists():
        raise UsageError(f"{path}: no journal here; is this the run's folder?")
    uri = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA query_only=" + ("1" if read_only else "0"))
    return connection


@contextlib.contextmanager
def _storage(path: Path) -> Iterator[None]:
    """SQLite's errors as one line that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "not a database" in text:
            raise UsageError(f"{path}: is not a journal; name a run's folder") from None
        if "malformed" in text:
            raise StorageError(
                f"{path}: damaged ({text}); restore it from a copy, or `refilter` what can be read"
            ) from None
        hint = "free some space" if "full" in text else "check the disk and its permissions"
        raise StorageError(f"{path}: {text}; {hint}, then start again: nothing committed is lost") from None
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}; check the path and its permissions") from None


def _verdict_columns(verdict: Verdict) -> tuple[Any, ...]:
    return verdict.reason, verdict.detail, verdict.score, verdict.nearest


def _name_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
