"""A stand-in that speaks the engine's HTTP API, for what a real engine can't be made to do."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

from labprov.engine import Scope
from labprov.host import Host

Answer = tuple[int, Any]
VERSION = {"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10.24", "Arch": "amd64"}


class FakeEngine:
    """What it holds, what it was asked, and what it answers to a request that begins with some words.

    A body of bytes is sent as it is, a list as a stream of JSON lines, anything else as JSON.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []
        self.answers: dict[str, Callable[[Any], Answer] | Answer] = {"GET /version": (200, VERSION)}

    def answer(self, request: str, body: Any) -> Answer:
        """Give the answer of the longest beginning that fits."""
        self.asked.append(request)
        fitting = [words for words in self.answers if request.startswith(words)]
        if not fitting:
            return 404, {"message": f"page not found: {request}"}
        found = self.answers[max(fitting, key=len)]
        return found(body) if callable(found) else found


@contextmanager
def fake_engine() -> Iterator[FakeEngine]:
    """Have one at a Unix socket of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "docker.sock"
        engine = FakeEngine(f"unix://{path}")

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                parts = self.path.split("/", 2)
                where = f"/{parts[2]}" if parts[1].startswith("v1.") else self.path
                status, said = engine.answer(f"{self.command} {where}", body)
                raw = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Connection", "close")
                if isinstance(said, list):
                    self.send_header("Transfer-Encoding", "chunked")
                    lines = [json.dumps(line).encode() + b"\r\n" for line in said]
                    raw = b"".join(b"%x\r\n%s\r\n" % (len(line), line) for line in (*lines, b""))
                else:
                    self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = do_DELETE = _any

            def address_string(self) -> str:
                return "a test"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        with ThreadingUnixStreamServer(str(path), Handler) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield engine
            finally:
                server.shutdown()
                thread.join()


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """Have something at the Unix socket *path* that gives one caller *answer*."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join()


def scope_of(url: str, workspace: Path, lab: str = "lab") -> Scope:
    """A scope whose engine is at *url*."""
    return Scope(host=Host(options={"docker_url": url}), workspace_id="w", workspace=workspace, lab=lab)
