"""A proxy between a console and AWS: it passes requests on, refuses some, or breaks off."""

import http.client
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# An address of this machine that the console takes for another: it is neither 127.0.0.1 nor ::1.
HOST = "127.0.0.2"
_SCOPE = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
_DENIED = b"""{"__type": "AccessDeniedException", "message": "Somebody is not authorized."}"""


class Between:
    """A proxy.

    `answers`: by an action's name, the status and body that it answers itself. `additions`: fields
    that it adds to the JSON of an action's response.
    """

    def __init__(self, endpoint: str) -> None:
        self.target = urlsplit(endpoint)
        self.down = False
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.additions: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                super().handle_one_request()
                self.close_connection = True

            def do_GET(self) -> None:
                proxy.pass_on(self)

            do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://{HOST}:{self.server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def refuse(self, *actions: str) -> None:
        """Answer these actions as AWS does if a permission is missing."""
        self.answers |= dict.fromkeys(actions, (400, _DENIED))

    def recover(self) -> None:
        self.down = False
        self.answers.clear()
        self.additions.clear()
        self.asked.clear()

    def pass_on(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length") or 0))
        action = request.headers.get("x-amz-target", "").rpartition(".")[2]
        if not action and (match := _ACTION.search(body)):
            action = match[1].decode()
        self.asked.append(action)
        if self.down:
            request.connection.close()
            return
        if action in self.answers:
            self._answer(request, *self.answers[action])
            return
        connection = http.client.HTTPConnection(self.target.netloc, timeout=60)
        connection.request(request.command, request.path, body, self._signed(request, body))
        response = connection.getresponse()
        content = response.read()
        if action in self.additions and response.status == 200:
            content = json.dumps(json.loads(content) | self.additions[action]).encode()
        self._answer(request, response.status, content, dict(response.getheaders()))
        connection.close()

    def _signed(self, request: BaseHTTPRequestHandler, body: bytes) -> dict[str, str]:
        """The request's headers, signed again: the signature covers the host."""
        scope = _SCOPE.search(request.headers.get("authorization", ""))
        dropped = ("host", "authorization", "x-amz-date", "connection", "content-length")
        headers = {k: text for k, text in request.headers.items() if k.lower() not in dropped}
        if scope is None:
            return headers
        url = f"{self.target.scheme}://{self.target.netloc}{request.path}"
        signed = AWSRequest(request.command, url, headers, body)
        SigV4Auth(Credentials("test", "test"), scope["service"], scope["region"]).add_auth(signed)
        return dict(signed.headers.items())

    def _answer(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
    ) -> None:
        dropped = ("content-length", "transfer-encoding", "connection")
        request.send_response_only(status)
        for name, value in (headers or {"Content-Type": "application/x-amz-json-1.0"}).items():
            if name.lower() not in dropped:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
