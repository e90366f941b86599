"""Serves the page of a split to a browser on this machine, and to nobody else."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

from dynamics_gen.errors import BuildError, ShardError
from dynamics_gen.viewer.page import Show, page

HOST = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """Answers `/` with the page and `/clip/N` with a clip.

    Args:
        directory: the split's folder.
        port: 0 takes a free one.

    Raises:
        ShardError: as `dynamics_gen.open`. BuildError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, directory: Path, port: int = 0) -> None:
        self.show, self.lock = Show(directory), Lock()
        self.text = page(self.show.overview(range(len(self.show.dataset)))).encode()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise BuildError(f"cannot listen on port {port}: {error.strerror}; choose another with --port") from error

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    @property
    def _site(self) -> Server:
        assert isinstance(self.server, Server)
        return self.server

    def do_GET(self) -> None:
        """Answers."""
        port = self._site.server_address[1]
        if self.headers.get("Host") not in (f"{HOST}:{port}", f"localhost:{port}"):
            # Another site's name that leads here: its scripts must not read what is served.
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"this page is served to this machine alone")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", self._site.text)
        elif asked := re.fullmatch(r"/clip/(\d{1,9})", self.path):
            self._clip(int(asked[1]))
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is nothing here: open /")

    def _clip(self, number: int) -> None:
        try:
            with self._site.lock:
                told = json.dumps(self._site.show.clip(number)).encode()
        except (IndexError, ShardError) as error:
            status = HTTPStatus.NOT_FOUND if isinstance(error, IndexError) else HTTPStatus.INTERNAL_SERVER_ERROR
            self._answer(status, "text/plain; charset=utf-8", str(error).encode())
        else:
            self._answer(HTTPStatus.OK, "application/json", told)

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing of each request."""
