"""The dead-letter command, on a port where no local AWS listens."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from local.settings import ROOT


def dlq(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ops", "dlq", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def silent(connection: socket.socket) -> None:
    """Accepts a request and never responds."""


def mail(connection: socket.socket) -> None:
    connection.sendall(b"220 mail.example ESMTP\r\n")


def web(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")


@pytest.mark.parametrize("program", [None, silent, mail, web])
@pytest.mark.parametrize("action", [["list"], ["show", "--queue", "MessagesDeadLetterQueueUrl"]])
def test_a_missing_local_aws_is_reported_in_a_sentence(
    action: list[str], program: Callable[[socket.socket], None] | None
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        if program:
            taken.listen()
            threading.Thread(target=serve, args=(taken, program), daemon=True).start()
        result = dlq(*action, STEPWORKS_PORT=str(port))
        taken.close()

    assert result.returncode == 1
    assert f"No local AWS responds at http://127.0.0.1:{port}" in result.stderr
    assert "make up" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""


def serve(listening: socket.socket, program: Callable[[socket.socket], None]) -> None:
    connections = []  # open until the test ends
    with suppress(OSError):
        while True:
            connections.append(listening.accept()[0])
            program(connections[-1])
