"""A stand-in for the hub on loopback: as much of its HTTP interface as an upload of a dataset meets.

It holds datasets in memory: create, look at, list, validate a card, branch, preupload, Git LFS batch with basic
transfers, commit and pull request. Not there: Xet (clients take Git LFS with HF_HUB_DISABLE_XET=1), multipart uploads,
downloads.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TOKEN = "hf_" + "a1B2c3D4" * 4


@dataclass
class Repo:
    """One dataset: by branch, the files' bytes."""

    private: bool
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {".gitattributes": b""}})


class Hub:
    """The server and what it holds. `asked` lists method and path of every request, in order."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.asked: list[tuple[str, str]] = []
        self.commits: list[dict[str, Any]] = []
        self.fail_with: int | None = None
        self._objects: dict[str, bytes] = {}
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = _chunks(self.rfile)
                hub.asked.append((self.command, self.path))
                code, answer = hub.answer(self.command, self.path, body, self.headers.get("Authorization"))
                data = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(code)
                if isinstance(answer, dict) and "error" in answer:
                    self.send_header("X-Error-Message", answer["error"])
                    if code == 404:
                        self.send_header("X-Error-Code", "RepoNotFound")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_HEAD = _any

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes, key: str | None) -> tuple[int, Any]:
        """Status and JSON for one request."""
        where = urlsplit(path)
        if upload := re.fullmatch(r"/lfs/(\w{64})", where.path):  # what the batch handed out needs no token
            assert hashlib.sha256(body).hexdigest() == upload[1]
            self._objects[upload[1]] = body
            return 200, None
        if key != f"Bearer {TOKEN}":
            return 401, {"error": f"Invalid credentials in Authorization header: {key}"}
        if self.fail_with is not None:
            return self.fail_with, {"error": "Internal Error"}
        if where.path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if where.path == "/api/repos/create":
            return self._create(json.loads(body))
        name = re.match(r"/(?:api/)?datasets/([\w.-]+/[\w.-]+?)(?:\.git)?(?:/(.*))?$", where.path)
        if name is None or name[1] not in self.repos:
            return 404, {"error": "Repository not found"}
        return self._of_repo(self.repos[name[1]], name[1], name[2] or "", where.query, body)

    def _create(self, asked: dict[str, Any]) -> tuple[int, Any]:
        name = f"{asked['organization']}/{asked['name']}"
        assert asked["type"] == "dataset"
        self.repos[name] = Repo(asked["visibility"] == "private")
        return 200, {"url": f"{self.url}/datasets/{name}", "name": name}

    def _of_repo(self, repo: Repo, name: str, rest: str, query: str, body: bytes) -> tuple[int, Any]:
        verb, _, branch = rest.partition("/")
        if verb == "":
            return 200, {"id": name, "private": repo.private, "tags": [], "siblings": []}
        if verb == "revision":
            return 200, {"id": name, "private": repo.private, "sha": "0" * 40, "siblings": []}
        if verb == "branch":
            repo.branches[branch] = dict(repo.branches["main"])
            return 200, None
        if verb == "tree":
            files = repo.branches[branch]
            return 200, [{"type": "file", "path": p, "size": len(d), "oid": "0" * 40} for p, d in files.items()]
        if verb == "preupload":
            modes = [
                (f["path"], "lfs" if f["path"].endswith(".parquet") else "regular") for f in json.loads(body)["files"]
            ]
            return 200, {"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes]}
        if rest == "info/lfs/objects/batch":
            return 200, {"transfer": "basic", "objects": [self._batch(o) for o in json.loads(body)["objects"]]}
        assert verb == "commit"
        return self._commit(repo, name, branch, query, body)

    def _batch(self, asked: dict[str, Any]) -> dict[str, Any]:
        upload = {"upload": {"href": f"{self.url}/lfs/{asked['oid']}"}}
        return asked | ({} if asked["oid"] in self._objects else {"actions": upload})

    def _commit(self, repo: Repo, name: str, branch: str, query: str, body: bytes) -> tuple[int, Any]:
        number = len(self.commits)
        if create_pr := "create_pr=1" in query:
            repo.branches[f"refs/pr/{number}"] = dict(repo.branches[branch])
            branch = f"refs/pr/{number}"
        files = repo.branches[branch]
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self._objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                self.commits.append(value | {"branch": branch})
        page = f"{self.url}/datasets/{name}"
        answer = {"commitUrl": f"{page}/commit/{'1' * 40}", "commitOid": "1" * 40, "success": True}
        return 200, answer | ({"pullRequestUrl": f"{page}/discussions/{number}"} if create_pr else {})


def _chunks(file: Any) -> bytes:
    data = b""
    while size := int(file.readline(), 16):
        data += file.read(size)
        file.readline()
    file.readline()
    return data
