"""A small Hub on 127.0.0.1 that the real `huggingface_hub` client speaks with, and that can fail on purpose.

Repositories live in memory. A fault is set by `hub.fail(fragment, fault, times)`: requests whose method and path hold
the fragment meet it, until it has happened `times` times.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import sleep, time_ns
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN, READ_TOKEN = "hf_writes", "hf_reads"
LFS_SUFFIXES = (".safetensors", ".png", ".whl", ".parquet", ".zip", ".webp")
TYPES = {"": "models", "datasets/": "datasets", "spaces/": "spaces"}


@dataclass
class Repository:
    """Commits and what they hold; a branch or tag is a name of a commit."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    hardware: str | None = None

    def commit(self, files: dict[str, bytes]) -> str:
        oid = hashlib.sha1(f"{len(self.commits)} {time_ns()}".encode()).hexdigest()
        self.commits[oid] = files
        self.branches["main"] = oid
        return oid

    def resolve(self, revision: str) -> str | None:
        names = {**self.branches, **self.tags, **{oid: oid for oid in self.commits}}
        return names.get(revision)

    @property
    def head(self) -> dict[str, bytes]:
        return self.commits[self.branches["main"]]


def digest_of(name: str, content: bytes) -> str:
    """How the Hub names a file's content: SHA-256 in LFS, git's SHA-1 of a blob elsewhere."""
    if name.endswith(LFS_SUFFIXES):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@dataclass
class Fault:
    fragment: str
    act: Callable[["Handler", bytes], None]
    times: int


class Hub:
    """The server, its repositories, the requests that it has seen."""

    def __init__(self, port: int = 0):
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.lfs: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.cache: Path | None = None  # the client's
        self.connections: list[socket.socket] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Handler,), {"hub": self}))
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Down, and deaf on the connections that clients keep."""
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def add(self, repo_id: str, files: dict[str, bytes], kind: str = "models", **options: bool) -> str:
        """A commit with these files; returns its id."""
        repository = self.repositories.setdefault((kind, repo_id), Repository())
        for name, value in options.items():
            setattr(repository, name, value)
        return repository.commit(dict(files))

    def fail(self, fragment: str, fault: "int | str | Callable", times: int = 1, code: str = "") -> None:
        """Let the next `times` requests like this meet a status code, or one of `cut`, `stall`, `corrupt`."""
        act = fault if callable(fault) else BODIES[fault] if isinstance(fault, str) else _status(fault, code)
        self.faults.append(Fault(fragment, act, times))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def setup(self) -> None:
        super().setup()
        self.hub.connections.append(self.connection)

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, content: bytes | dict | list, status: int = 200, **headers: str) -> None:
        if not isinstance(content, bytes):
            content, headers = json.dumps(content).encode(), {"Content_Type": "application/json", **headers}
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(content)))
        headers.setdefault("Access_Control_Allow_Origin", "*")  # pages of other sites may read what is public
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status: int, code: str = "", message: str = "no") -> None:
        self.reply({"error": message}, status, **({"X_Error_Code": code} if code else {}), X_Error_Message=message)

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        request = f"{self.command} {path}"
        self.hub.requests.append(request)
        for fault in self.hub.faults:
            if fault.fragment in request and fault.times > 0:
                fault.times -= 1
                fault.act(self, body)
                return
        for method, pattern, handle in ROUTES:
            if method in (self.command, "ANY") and (found := re.fullmatch(pattern, path)):
                handle(self, body, **found.groupdict())
                return
        self.refuse(404, message=f"the test Hub knows no {request}")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    @property
    def token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def may_write(self) -> bool:
        if self.token not in (TOKEN, READ_TOKEN):
            self.refuse(401, message="Invalid credentials in Authorization header")
        elif self.token == READ_TOKEN:
            self.refuse(403, message="this token may only read")
        return self.token == TOKEN

    def repository(self, kind: str, repo_id: str) -> Repository | None:
        """The repository, unless it is not there or not for this reader; the refusal is sent then."""
        found = self.hub.repositories.get((kind, repo_id))
        if found is None or (found.private and self.token not in (TOKEN, READ_TOKEN)):
            self.refuse(401 if not self.token else 404, "RepoNotFound", "Repository not found")
            return None
        return found

    def revision(self, repository: Repository, revision: str) -> str | None:
        oid = repository.resolve(revision)
        if oid is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return oid


# --- faults ----------------------------------------------------------------------------------------------------------


def _status(status: int, code: str) -> Callable[[Handler, bytes], None]:
    return lambda handler, body: handler.refuse(status, code, f"a fault on purpose, {status}")


def _content_of(handler: Handler) -> bytes:
    return handler.hub.lfs[urlsplit(handler.path).path.rpartition("/")[2]]


def _cut(handler: Handler, body: bytes) -> None:
    content = _content_of(handler)
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.wfile.flush()
    handler.close_connection = True


def _stall(handler: Handler, body: bytes) -> None:
    sleep(2.5)
    handler.close_connection = True


def _corrupt(handler: Handler, body: bytes) -> None:
    content = bytearray(_content_of(handler))
    content[-1] ^= 255
    handler.reply(bytes(content))


BODIES = {"cut": _cut, "stall": _stall, "corrupt": _corrupt}


# --- the API ---------------------------------------------------------------------------------------------------------


def create(handler: Handler, body: bytes) -> None:
    if not handler.may_write():
        return
    asked = json.loads(body)
    repo_id = f"{asked.get('organization') or 'user'}/{asked['name']}"
    kind = f"{asked.get('type') or 'model'}s"
    if (kind, repo_id) in handler.hub.repositories:
        prefix = "" if kind == "models" else f"{kind}/"
        handler.reply(
            {"error": "You already created this repo", "url": f"{handler.hub.address}/{prefix}{repo_id}"}, 409
        )
        return
    repository = Repository(private=asked.get("visibility") == "private" or bool(asked.get("private")))
    repository.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
    handler.hub.repositories[kind, repo_id] = repository
    prefix = "" if kind == "models" else f"{kind}/"
    handler.reply({"url": f"{handler.hub.address}/{prefix}{repo_id}"})


def whoami(handler: Handler, body: bytes) -> None:
    if handler.token in (TOKEN, READ_TOKEN):
        handler.reply({"name": "user", "type": "user", "auth": {"type": "access_token"}, "orgs": []})
    else:
        handler.refuse(401, message="Invalid credentials in Authorization header")


def validate(handler: Handler, body: bytes) -> None:
    content = json.loads(body)["content"]
    right = content.startswith("---\n") and "\n---\n" in content
    handler.reply({"errors": [] if right else [{"message": "no front matter"}], "warnings": []}, 200 if right else 400)


def info(handler: Handler, body: bytes, kind: str, repo_id: str, revision: str | None = None) -> None:
    if (repository := handler.repository(kind, repo_id)) is None:
        return
    if (oid := handler.revision(repository, revision or "main")) is None:
        return
    files = [
        {"rfilename": name, **({"size": len(content), "blobId": "0" * 40} if "blobs" in handler.path else {})}
        for name, content in repository.commits[oid].items()
    ]
    handler.reply(
        {
            "id": repo_id,
            "sha": oid,
            "private": repository.private,
            "gated": "auto" if repository.gated else False,
            "siblings": files,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "lastModified": "2026-01-01T00:00:00.000Z",
        }
    )


def refs(handler: Handler, body: bytes, kind: str, repo_id: str) -> None:
    if repository := handler.repository(kind, repo_id):
        branches, tags = (
            [{"name": name, "ref": f"refs/{where}/{name}", "targetCommit": oid} for name, oid in names.items()]
            for where, names in (("heads", repository.branches), ("tags", repository.tags))
        )
        handler.reply({"branches": branches, "tags": tags, "converts": []})


def _entry(name: str, content: bytes) -> dict:
    entry = {"type": "file", "path": name, "size": len(content), "oid": digest_of(name, content)[:40]}
    if name.endswith(LFS_SUFFIXES):
        entry["lfs"] = {"oid": digest_of(name, content), "size": len(content), "pointerSize": 130}
    return entry


def tree(handler: Handler, body: bytes, kind: str, repo_id: str, revision: str, below: str | None) -> None:
    if (repository := handler.repository(kind, repo_id)) is None:
        return
    if (oid := handler.revision(repository, revision)) is None:
        return
    files, below = repository.commits[oid], (below or "").strip("/")
    inside = {name: content for name, content in files.items() if not below or name.startswith(f"{below}/")}
    if below and not inside:
        handler.refuse(404, "EntryNotFound", f"{below} does not exist")
        return
    recursive = parse_qs(urlsplit(handler.path).query).get("recursive", ["False"])[0].lower() == "true"
    depth = len(below.split("/")) if below else 0
    found = [_entry(name, content) for name, content in inside.items() if recursive or name.count("/") == depth]
    folders = {"/".join(name.split("/")[:end]) for name in inside for end in range(depth + 1, name.count("/") + 1)}
    found += [
        {"type": "directory", "path": folder, "oid": "0" * 40, "size": 0}
        for folder in sorted(folders)
        if recursive or folder.count("/") == depth
    ]
    handler.reply(found)


def paths_info(handler: Handler, body: bytes, kind: str, repo_id: str, revision: str) -> None:
    if (repository := handler.repository(kind, repo_id)) is None:
        return
    if (oid := handler.revision(repository, revision)) is None:
        return
    asked = json.loads(body) if body.startswith(b"{") else parse_qs(body.decode())
    files, found = repository.commits[oid], []
    for path in asked.get("paths", []):
        if path in files:
            found.append(_entry(path, files[path]))
        elif any(name.startswith(f"{path}/") for name in files):
            found.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
    handler.reply(found)


def preupload(handler: Handler, body: bytes, kind: str, repo_id: str, revision: str) -> None:
    if handler.may_write() and handler.repository(kind, repo_id):
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LFS_SUFFIXES) else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
        handler.reply({"files": modes})


def lfs_batch(handler: Handler, body: bytes, prefix: str, repo_id: str) -> None:
    objects = []
    for asked in json.loads(body)["objects"]:
        action = {"upload": {"href": f"{handler.hub.address}/lfs/{asked['oid']}", "header": {}}}
        objects.append({**asked, **({} if asked["oid"] in handler.hub.lfs else {"actions": action})})
    handler.reply({"transfer": "basic", "objects": objects})


def lfs_put(handler: Handler, body: bytes, oid: str) -> None:
    if hashlib.sha256(body).hexdigest() != oid:
        handler.refuse(400, message="the checksum is wrong")
        return
    handler.hub.lfs[oid] = body
    handler.reply({})


def commit(handler: Handler, body: bytes, kind: str, repo_id: str, revision: str) -> None:
    if not handler.may_write() or (repository := handler.repository(kind, repo_id)) is None:
        return
    files = dict(repository.head)
    for line in body.splitlines():
        item = json.loads(line)
        value = item["value"]
        if item["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif item["key"] == "lfsFile":
            if value["oid"] not in handler.hub.lfs:
                handler.refuse(400, message=f"{value['path']} was not uploaded")
                return
            files[value["path"]] = handler.hub.lfs[value["oid"]]
        elif item["key"] == "deletedFile":
            del files[value["path"]]
    oid = repository.commit(files)
    handler.reply({"commitUrl": f"{handler.hub.address}/{repo_id}/commit/{oid}", "commitOid": oid})


def tag(handler: Handler, body: bytes, kind: str, repo_id: str, revision: str) -> None:
    if not handler.may_write() or (repository := handler.repository(kind, repo_id)) is None:
        return
    name = json.loads(body)["tag"]
    if name in repository.tags:
        handler.refuse(409, message="Tag already exists")
        return
    commit = repository.resolve(revision)
    assert commit is not None
    repository.tags[name] = commit
    handler.reply({})


def hardware(handler: Handler, body: bytes, repo_id: str) -> None:
    if handler.may_write() and (repository := handler.repository("spaces", repo_id)):
        repository.hardware = json.loads(body)["flavor"]
        handler.reply({"stage": "BUILDING", "hardware": {"current": None, "requested": repository.hardware}})


# --- files -----------------------------------------------------------------------------------------------------------


def resolve(handler: Handler, body: bytes, prefix: str, repo_id: str, revision: str, name: str) -> None:
    kind = TYPES[prefix]
    if (repository := handler.repository(kind, repo_id)) is None:
        return
    if repository.gated and handler.token != TOKEN:
        handler.refuse(403, "GatedRepo", "Access to this repo is restricted")
        return
    if (oid := handler.revision(repository, revision)) is None:
        return
    if name not in repository.commits[oid]:
        handler.reply(b"", 404, X_Error_Code="EntryNotFound", X_Repo_Commit=oid)
        return
    content = repository.commits[oid][name]
    digest = digest_of(name, content)
    if name.endswith(LFS_SUFFIXES):  # elsewhere, by another host name, as the Hub does it
        handler.hub.lfs[digest] = content
        handler.reply(
            b"",
            302,
            Location=f"http://localhost:{handler.hub.port}/lfs/{digest}",
            X_Repo_Commit=oid,
            X_Linked_Etag=f'"{digest}"',
            X_Linked_Size=str(len(content)),
        )
        return
    _send(handler, content, X_Repo_Commit=oid, ETag=f'"{digest}"')


def lfs_get(handler: Handler, body: bytes, oid: str) -> None:
    if oid in handler.hub.lfs:
        _send(handler, handler.hub.lfs[oid], ETag=f'"{oid}"')
    else:
        handler.refuse(404)


def _send(handler: Handler, content: bytes, **headers: str) -> None:
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range") or "")
    if not wanted:
        handler.reply(content, 200, **headers, Accept_Ranges="bytes")
        return
    first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
    part = content[first : last + 1]
    handler.reply(part, 206, **headers, Content_Range=f"bytes {first}-{first + len(part) - 1}/{len(content)}")


REPO = r"(?P<repo_id>[^/]+/[^/]+)"
KIND = r"(?P<kind>models|datasets|spaces)"
ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("POST", "/api/repos/create", create),
    ("GET", "/api/whoami-v2", whoami),
    ("POST", "/api/validate-yaml", validate),
    ("GET", f"/api/{KIND}/{REPO}", info),
    ("GET", f"/api/{KIND}/{REPO}/revision/(?P<revision>.+)", info),
    ("GET", f"/api/{KIND}/{REPO}/refs", refs),
    ("GET", f"/api/{KIND}/{REPO}/tree/(?P<revision>[^/]+)(?P<below>/.*)?", tree),
    ("POST", f"/api/{KIND}/{REPO}/paths-info/(?P<revision>[^/]+)", paths_info),
    ("POST", f"/api/{KIND}/{REPO}/preupload/(?P<revision>.+)", preupload),
    ("POST", f"/api/{KIND}/{REPO}/commit/(?P<revision>.+)", commit),
    ("POST", f"/api/{KIND}/{REPO}/tag/(?P<revision>.+)", tag),
    ("POST", f"/api/spaces/{REPO}/hardware", hardware),
    ("POST", rf"/(?P<prefix>datasets/|spaces/|){REPO}\.git/info/lfs/objects/batch", lfs_batch),
    ("PUT", "/lfs/(?P<oid>[0-9a-f]{64})", lfs_put),
    ("GET", "/lfs/(?P<oid>[0-9a-f]{64})", lfs_get),
    ("HEAD", "/lfs/(?P<oid>[0-9a-f]{64})", lfs_get),
    ("GET", rf"/(?P<prefix>datasets/|spaces/|){REPO}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", resolve),
    ("HEAD", rf"/(?P<prefix>datasets/|spaces/|){REPO}/resolve/(?P<revision>[^/]+)/(?P<name>.+)", resolve),
]
