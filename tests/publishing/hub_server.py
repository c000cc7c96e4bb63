# Copyright 2026 The arctic-text2sql-r1 authors
# SPDX-License-Identifier: Apache-2.0

"""A real HTTP server on this machine that takes models as the Hugging Face hub does, and misbehaves as a test says.

It speaks what `huggingface_hub` asks for an upload: repositories, branches, preupload, the LFS batch with single and
multi-part PUTs and verification, and commits as NDJSON. Files are kept by path; every large one is checked against the
hash under which it was announced.
"""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass
from dataclasses import field
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlsplit

TOKEN = "hf_" + "tOpSeCrEt" * 3


@dataclass(frozen=True)
class Fault:
    """What becomes of a request whose "METHOD /path" holds `where`: a status, or with 0 a broken connection."""

    where: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = "as the test wants"
    after: bool = False  # the request is obeyed, and only its answer is lost


@dataclass
class Repository:
    """A repository: `files` by path, one content for all branches; `head` is the latest commit."""

    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[dict[str, Any]] = field(default_factory=list)
    branches: list[str] = field(default_factory=lambda: ["main"])

    @property
    def head(self) -> str:
        return hashlib.sha1(repr(len(self.commits)).encode()).hexdigest()


class HubServer:
    """A hub with one user, `ada`. `faults` are used up one by one; `log` has every request. A context manager."""

    def __init__(self, chunk: int | None = None) -> None:
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes] = {}  # large files by hash
        self.faults: list[Fault] = []
        self.log: list[str] = []
        self.chunk = chunk  # bytes of a part; None: files go in one PUT
        self.lfs_above = 1000
        self._parts: dict[tuple[str, int], bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def count(self, where: str) -> int:
        """How many requests there were whose "METHOD /path" holds `where`."""
        return sum(where in line for line in self.log)

    def answer(self, line: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers for a request "METHOD /path"."""
        for pattern, reply in _ROUTES:
            if (match := re.fullmatch(pattern, line)) is not None:
                return reply(self, body, *map(unquote, match.groups()))
        return 404, dict(error=f"no such address: {line}"), {}

    # ----- what is asked ------------------------------------------------------------------------------------------

    def create(self, body: bytes) -> tuple[int, Any, dict[str, str]]:
        asked = json.loads(body)
        if asked["organization"] != "ada":
            return 403, dict(error="You don't have the rights to create a model under this namespace"), {}
        name = f"{asked['organization']}/{asked['name']}"
        known = name in self.repositories
        self.repositories.setdefault(name, Repository(private=bool(asked.get("private"))))
        return (409 if known else 200), dict(url=f"{self.url}/{name}"), {}

    def info(self, body: bytes, name: str, revision: str | None = None) -> tuple[int, Any, dict[str, str]]:
        found = self.repositories.get(name)
        if found is None or (revision or "main") not in found.branches:
            return 404, dict(error="not found"), {"X-Error-Code": "RepoNotFound"}
        files = [dict(rfilename=path) for path in found.files]
        return 200, dict(id=name, sha=found.head, private=found.private, siblings=files, tags=[]), {}

    def branch(self, body: bytes, name: str, revision: str) -> tuple[int, Any, dict[str, str]]:
        known = revision in self.repositories[name].branches
        if not known:
            self.repositories[name].branches.append(revision)
        return (409 if known else 200), {}, {}

    def preupload(self, body: bytes, name: str, revision: str) -> tuple[int, Any, dict[str, str]]:
        there = self.repositories[name].files
        modes = [self._mode(there.get(one["path"]), one) for one in json.loads(body)["files"]]
        return 200, dict(files=modes), {}

    def _mode(self, there: bytes | None, asked: dict[str, Any]) -> dict[str, Any]:
        large = asked["size"] > self.lfs_above
        oid = None if there is None else (hashlib.sha256(there).hexdigest() if large else _git_hash(there))
        return dict(path=asked["path"], uploadMode="lfs" if large else "regular", shouldIgnore=False, oid=oid)

    def batch(self, body: bytes, name: str) -> tuple[int, Any, dict[str, str]]:
        objects = []
        for asked in json.loads(body)["objects"]:
            oid, size = asked["oid"], asked["size"]
            if oid not in self.stored:
                asked["actions"] = dict(upload=self._upload(oid, size), verify=dict(href=f"{self.url}/verify"))
            objects.append(asked)
        return 200, dict(transfer="basic", objects=objects), {}

    def _upload(self, oid: str, size: int) -> dict[str, Any]:
        if self.chunk is None:
            return dict(href=f"{self.url}/lfs/{oid}")
        parts = {str(n + 1): f"{self.url}/part/{oid}/{n}" for n in range(-(-size // self.chunk))}
        return dict(href=f"{self.url}/complete/{oid}", header=dict(chunk_size=str(self.chunk), **parts))

    def put(self, body: bytes, oid: str) -> tuple[int, Any, dict[str, str]]:
        if hashlib.sha256(body).hexdigest() != oid:
            return 400, dict(error="another hash"), {}
        self.stored[oid] = body
        return 200, {}, {}

    def part(self, body: bytes, oid: str, number: str) -> tuple[int, Any, dict[str, str]]:
        self._parts[oid, int(number)] = body
        return 200, {}, {"ETag": f'"{number}"'}

    def complete(self, body: bytes, oid: str) -> tuple[int, Any, dict[str, str]]:
        return self.put(b"".join(content for (of, _), content in sorted(self._parts.items()) if of == oid), oid)

    def verify(self, body: bytes) -> tuple[int, Any, dict[str, str]]:
        asked = json.loads(body)
        whole = len(self.stored.get(asked["oid"], b"")) == asked["size"]
        return (200 if whole else 404), {}, {}

    def commit(self, body: bytes, name: str, revision: str) -> tuple[int, Any, dict[str, str]]:
        lines = [json.loads(line) for line in body.splitlines()]
        found = self.repositories[name]
        for one in lines:
            value = one["value"]
            if one["key"] == "file":
                found.files[value["path"]] = base64.b64decode(value["content"])
            elif one["key"] == "lfsFile":
                found.files[value["path"]] = self.stored[value["oid"]]
            elif one["key"] == "deletedFile":
                del found.files[value["path"]]
        found.commits.append(lines[0]["value"])
        return 200, dict(commitUrl=f"{self.url}/{name}/commit/{found.head}", commitOid=found.head, success=True), {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                line = f"{self.command} {urlsplit(self.path).path}"
                hub.log.append(line)
                fault = next((one for one in hub.faults if one.where in line), None)
                body = self._body()
                if fault is not None:
                    hub.faults.remove(fault)
                    if fault.after:
                        hub.answer(line, body)
                    if fault.status == 0:
                        self.close_connection = True
                        self.connection.close()
                        return
                    self._reply(fault.status, dict(error=fault.text), fault.headers)
                elif "/lfs/" not in line and "/part/" not in line and "/complete/" not in line and not self._known():
                    self._reply(401, dict(error="Invalid username or password."), {})
                else:
                    self._reply(*hub.answer(line, body))

            do_GET = do_POST = do_PUT = _serve

            def _known(self) -> bool:
                return self.headers.get("Authorization") == f"Bearer {TOKEN}"

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def _reply(self, status: int, value: Any, headers: dict[str, str]) -> None:
                content = json.dumps(value).encode()
                self.send_response(status)
                for name, text in dict({"Content-Length": str(len(content))}, **headers).items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        return Handler


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


_NAME = "([^/]+/[^/]+)"
_ROUTES: list[tuple[str, Any]] = [
    ("POST /api/repos/create", HubServer.create),
    ("POST /api/validate-yaml", lambda hub, body: (200, dict(errors=[], warnings=[]), {})),
    (f"GET /api/models/{_NAME}", HubServer.info),
    (f"GET /api/models/{_NAME}/revision/([^/]+)", HubServer.info),
    (f"POST /api/models/{_NAME}/branch/([^/]+)", HubServer.branch),
    (f"POST /api/models/{_NAME}/preupload/([^/]+)", HubServer.preupload),
    (f"POST /{_NAME}\\.git/info/lfs/objects/batch", HubServer.batch),
    ("PUT /lfs/([0-9a-f]+)", HubServer.put),
    ("PUT /part/([0-9a-f]+)/([0-9]+)", HubServer.part),
    ("POST /complete/([0-9a-f]+)", HubServer.complete),
    ("POST /verify", HubServer.verify),
    (f"POST /api/models/{_NAME}/commit/([^/]+)", HubServer.commit),
]
