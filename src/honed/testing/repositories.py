"""Repositories for tests: a person's checkout, and git's own HTTP server behind a token."""

import base64
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from wsgiref.simple_server import WSGIRequestHandler, make_server

StartResponse = Callable[[str, list[tuple[str, str]]], object]
NOBODY: Mapping[str, str] = {}
_WHO = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Checkout:
    """A person's checkout, on which the person runs git."""

    def __init__(self, folder: Path, object_format: str = "sha1") -> None:
        """Make it, with nothing in it; ids are digests of that format."""
        self.folder = folder
        folder.mkdir()
        options = ("--quiet", "--initial-branch=main", f"--object-format={object_format}")
        self.git("init", *options)

    def git(
        self, *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] = NOBODY
    ) -> str:
        """Return what git says."""
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            env={**os.environ, **_WHO, **environment},
            check=True,
        )
        return os.fsdecode(done.stdout).strip()

    def commit(self, files: Mapping[str, bytes], environment: Mapping[str, str] = NOBODY) -> str:
        """Commit everything, with ``files`` in it, and return the commit."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", "change", environment=environment)
        return self.git("rev-parse", "HEAD")

    def state(self) -> dict[str, tuple[int, int, bytes]]:
        """Return everything that is below it, as it is."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            status = path.lstat()
            is_file = path.is_file() and not path.is_symlink()
            content = path.read_bytes() if is_file else b""
            found[str(path)] = (status.st_mode, status.st_mtime_ns, content)
        return found


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002, ANN401
        """Say nothing."""


@contextmanager
def served(folder: Path, user: str, token: str) -> Iterator[str]:
    """Serve the repositories below ``folder`` to who has ``token``; yield the URL."""
    expected = "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()

    def application(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        if environ.get("HTTP_AUTHORIZATION") != expected:
            start_response("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="git"')])
            return [b""]
        return _backend(folder, environ, start_response)

    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _backend(folder: Path, environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if environ.get("HTTP_TRANSFER_ENCODING") == "chunked":
        body = b"".join(_chunks(environ["wsgi.input"]))
    else:
        body = environ["wsgi.input"].read(length)
    names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE")
    variables = {name: str(environ.get(name, "")) for name in names}
    done = subprocess.run(
        ["git", "http-backend"],  # noqa: S607
        input=body,
        capture_output=True,
        env={
            **variables,
            "PATH": os.environ["PATH"],
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROJECT_ROOT": str(folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "HTTP_CONTENT_ENCODING": environ.get("HTTP_CONTENT_ENCODING", ""),
            "HTTP_GIT_PROTOCOL": environ.get("HTTP_GIT_PROTOCOL", ""),
            "REMOTE_USER": "honed",
        },
        check=True,
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n")]
    status = next((value for name, value in headers if name == "Status"), "200 OK")
    start_response(status, [(name, value) for name, value in headers if name != "Status"])
    return [content]


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
