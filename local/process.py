"""Start and stop the process of the local AWS; clean up after a killed one."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from local.errors import LocalError
from local.settings import REGION, ROOT, Settings, own_folder

MODULE = "local.server"
READY_SECONDS = 60
STOP_SECONDS = 10


def is_running(settings: Settings) -> bool:
    """Whether it can be used: it responds, and its files still exist."""
    return _server(settings) is not None and _scratch(settings).exists() and responds(settings)


def has_lost_its_files(settings: Settings) -> bool:
    """Whether it runs although its folder was deleted."""
    return _server(settings) is not None and not _scratch(settings).exists()


def start(settings: Settings, module: str = MODULE) -> None:
    """Start the local AWS and wait until it responds. Raises LocalError with the reason.

    `module` may be another one that runs the same server; its name ends with `.server`, too.
    """
    stop(settings)  # nothing, or the remains after `kill -9`
    _require_free_port(settings)
    own_folder()
    _scratch(settings).mkdir(parents=True)
    with settings.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(settings.port), str(settings.wait_scale)],
            cwd=ROOT,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal must not stop it
        )
    _wait_until_ready(settings, process)


def stop(settings: Settings) -> bool:
    """End the server and its Lambda workers and remove their files. False if there was nothing."""
    server = _server(settings)
    found = settings.directory.exists() or server is not None
    if server is not None and not _end(server, signal.SIGTERM):
        _end(server, signal.SIGKILL)
    leftover = list(_workers(settings))
    for worker in leftover:
        worker.kill()
    psutil.wait_procs(leftover, timeout=STOP_SECONDS)
    shutil.rmtree(settings.directory, ignore_errors=True)
    return found


def _end(process: psutil.Process, number: signal.Signals) -> bool:
    """Send a signal. Returns whether the process ended; a zombie counts as ended."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        try:
            ended = process.status() == psutil.STATUS_ZOMBIE
            process.wait(0.1)
        except psutil.TimeoutExpired:
            if ended:
                return True
        except psutil.NoSuchProcess:
            return True
        else:
            return True
    return False


def _environment(settings: Settings) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        # A developer's own AWS session must not reach the local AWS.
        if not name.startswith("AWS_")
    }
    return inherited | {
        "AUTH": "true",  # IAM is enforced
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(settings.port),
        "MINISTACK_REGION": REGION,
        "SFN_WAIT_SCALE": str(settings.wait_scale),
        "STEPWORKS_KEEP": str(settings.keep),
        # Lambda's pause before it retries a failed event: one minute, then twice as long.
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": str(60 * settings.wait_scale),
        "LAMBDA_ASYNC_RETRY_MAX_SECONDS": str(300 * settings.wait_scale),
        "LAMBDA_ACCOUNT_CONCURRENCY": "0",  # unlimited: invocations wait in local.gaps.lambda_queue
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",  # containers are not used
        "TMPDIR": str(settings.directory / "tmp"),
        "STATE_DIR": str(settings.directory / "tmp" / "state"),
        "S3_DATA_DIR": str(settings.directory / "tmp" / "s3"),
        "PYTHONPATH": str(ROOT),
        # A server with hundreds of threads: glibc would give them 8 heaps for each processor, and
        # what is free in one cannot be used by a thread of another.
        "MALLOC_ARENA_MAX": "2",
        "PYTHONUNBUFFERED": "1",
        "LOG_LEVEL": "INFO",
    }


def _require_free_port(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.port))
        except OSError:
            raise LocalError(
                f"Port {settings.port} is in use by another program (or another checkout): stop "
                f"it, or choose a free port, e.g. STEPWORKS_PORT={settings.port + 34} make demo."
            ) from None


def _wait_until_ready(settings: Settings, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if responds(settings):
            return
        time.sleep(0.1)
    code = process.poll()
    reason = "no response in time" if code is None else f"the process ended with exit code {code}"
    tail = settings.log.read_text(errors="replace").strip().splitlines()[-5:]
    log = ". The end of its log:\n  " + "\n  ".join(tail) if tail else ". Its log is empty."
    stop(settings)
    raise LocalError(f"The local AWS did not start: {reason}{log}")


def responds(settings: Settings) -> bool:
    """Whether a local AWS listens on the port, not another program."""
    health = f"{settings.endpoint}/_ministack/health"
    try:
        # A busy server may need seconds. If nothing listens, the connection fails at once.
        with urllib.request.urlopen(health, timeout=10) as response:
            return "services" in json.load(response)
    except (OSError, http.client.HTTPException, ValueError):
        return False


def _scratch(settings: Settings) -> Path:
    return settings.directory / "tmp"


def _server(settings: Settings) -> psutil.Process | None:
    """The server's process, found by command line and folder: a PID file could be lost."""
    return next((server for server, port in _servers() if port == settings.port), None)


def _servers() -> Iterator[tuple[psutil.Process, int]]:
    """The servers of this checkout, whatever module has started them, and their ports."""
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        arguments = process.info["cmdline"] or []
        if (
            len(arguments) == 5
            and arguments[1] == "-m"
            and arguments[2].endswith(".server")
            and arguments[3].isdecimal()
            and process.info["cwd"] == str(ROOT)
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ):
            yield process, int(arguments[3])


def wait_scale(settings: Settings) -> float:
    """The scale that the running server was started with."""
    server = _server(settings)
    return float(server.cmdline()[4]) if server else settings.wait_scale


def ports() -> list[int]:
    """Ports of all local AWSs of this checkout, running or killed."""
    with_files = {int(found.name) for found in own_folder().iterdir() if found.name.isdecimal()}
    return sorted({port for _, port in _servers()} | with_files)


def _workers(settings: Settings) -> Iterator[psutil.Process]:
    """Lambda workers of this local AWS: their script is in its scratch directory."""
    scratch = str(_scratch(settings))
    for process in psutil.process_iter(["cmdline"]):
        if any(scratch in argument for argument in process.info["cmdline"] or []):
            yield process
