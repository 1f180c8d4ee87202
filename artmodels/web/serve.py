"""The folder of a page on 127.0.0.1, with the headers that its Space sends or without: to try it, and to measure it."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from artmodels.web.static_space import ISOLATION


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    isolated = False

    def guess_type(self, path: str | os.PathLike[str]) -> str:
        known = {".js": "text/javascript", ".wasm": "application/wasm"}
        return known.get(Path(path).suffix) or super().guess_type(path)

    def end_headers(self) -> None:
        if self.isolated:
            for name, value in ISOLATION.items():
                self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a visitor who left
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serving_folder(folder: Path, isolated: bool) -> Iterator[str]:
    """The address of the folder while the context lasts; `isolated`, its pages may use several cores."""
    kind = type("Bound", (Handler,), {"isolated": isolated})
    server = Server(("127.0.0.1", 0), partial(kind, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
