"""Starting, recovering and stopping the local AWS, as a person at the terminal does it."""

import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from local import locks, process
from local.aws import until
from local.errors import LocalError
from local.settings import REGION, ROOT, Settings
from tests.e2e.soak import server as soak


def settings_with_free_port() -> Settings:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Settings(port=probe.getsockname()[1], wait_scale=0)


@pytest.fixture
def settings() -> Iterator[Settings]:
    settings = settings_with_free_port()
    yield settings
    process.stop(settings)


def server(settings: Settings) -> psutil.Process:
    found = process._server(settings)
    assert found
    return found


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def local(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "local", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_listens_on_localhost_only_and_leaves_nothing_behind(settings: Settings) -> None:
    process.start(settings)
    running = server(settings)
    listening = {c.laddr.ip for c in running.net_connections() if c.status == "LISTEN"}

    assert process.is_running(settings)
    assert listening == {"127.0.0.1"}
    assert process.stop(settings)

    assert not running.is_running()
    assert is_free(settings.port)
    assert not settings.directory.exists()
    assert not process.stop(settings)


def test_it_may_open_as_many_files_as_the_system_allows(settings: Settings) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))  # macOS's default
    try:
        process.start(settings)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    limits = Path(f"/proc/{server(settings).pid}/limits")
    if not limits.exists():
        pytest.skip("only Linux shows the limits of another process")
    allowed = re.search(r"Max open files +(\d+)", limits.read_text())
    assert allowed
    assert int(allowed[1]) > 256


def test_iam_is_enforced(settings: Settings) -> None:
    process.start(settings)
    unknown_user = boto3.client(
        "sqs",
        endpoint_url=settings.endpoint,
        region_name=REGION,
        aws_access_key_id="AKIANOBODYKNOWSTHIS1",
        aws_secret_access_key="secret",
    )

    with pytest.raises(ClientError, match="security token"):
        unknown_user.list_queues()


def test_two_run_side_by_side(settings: Settings) -> None:
    process.start(settings)
    other = settings_with_free_port()
    try:
        process.start(other)
        process.stop(other)
        assert process.is_running(settings)
    finally:
        process.stop(other)


def test_a_killed_server_is_cleaned_up_with_its_orphans(settings: Settings) -> None:
    process.start(settings)
    first = server(settings)
    script = settings.directory / "tmp" / "worker.py"
    script.write_text("import time\ntime.sleep(600)\n")
    orphan = subprocess.Popen([sys.executable, str(script)])
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    assert not process.is_running(settings)

    process.start(settings)

    assert process.is_running(settings)
    assert server(settings).pid != first.pid
    until("the orphan's end", lambda: orphan.poll() is not None, 10)


def test_a_server_whose_files_are_lost_is_found_and_stopped(settings: Settings) -> None:
    process.start(settings)
    running = server(settings)
    shutil.rmtree(settings.directory)

    assert settings.port in process.ports()
    stopped = local("down", STEPWORKS_PORT=str(settings.port))

    assert "Stopped" in stopped.stdout
    running.wait(10)


def test_a_server_whose_files_are_lost_is_not_used_any_more(settings: Settings) -> None:
    process.start(settings)
    running = server(settings)
    shutil.rmtree(settings.directory)

    assert not process.is_running(settings)
    process.start(settings)

    assert process.is_running(settings)
    assert not running.is_running()


def test_only_the_user_can_read_its_files(settings: Settings) -> None:
    folder = settings.directory.parent
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)

    process.start(settings)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_two_commands_that_start_it_at_once_share_it(settings: Settings) -> None:
    command = [sys.executable, "-m", "local", "up"]
    environment = os.environ | {"STEPWORKS_PORT": str(settings.port)}
    both = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(2)
    ]
    outputs = [starting.communicate(timeout=240)[0].decode() for starting in both]

    assert [starting.returncode for starting in both] == [0, 0], outputs
    assert sum("Started the local AWS" in text for text in outputs) == 1
    assert sum("waiting for it" in text for text in outputs) == 1
    assert all("ApiUrl" in text for text in outputs)


def test_it_is_not_stopped_while_it_is_started(settings: Settings) -> None:
    command = [sys.executable, "-m", "local", "down"]
    environment = os.environ | {"STEPWORKS_PORT": str(settings.port), "PYTHONUNBUFFERED": "1"}
    with locks.one_at_a_time(str(settings.port)):
        process.start(settings)
        stopping = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
        assert stopping.stdout
        assert b"waiting for it" in stopping.stdout.readline()
        assert process.is_running(settings)

    assert b"Stopped" in stopping.communicate(timeout=60)[0]
    assert stopping.returncode == 0
    assert not process.is_running(settings)
    assert not list(settings.directory.parent.glob(f"{settings.port}*"))


def test_a_server_of_the_soak_is_found_and_stopped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it remains if the soak is killed."""
    options = {soak.SEED: "1", soak.SECONDS: "3", soak.LOG: str(settings.directory / "faults")}
    for name, value in options.items():
        monkeypatch.setenv(name, value)
    process.start(settings, soak.__name__)

    assert settings.port in process.ports()
    assert local("down", STEPWORKS_PORT=str(settings.port)).returncode == 0
    assert is_free(settings.port)
    assert settings.port not in process.ports()


def test_a_process_of_another_folder_is_not_ended(settings: Settings, tmp_path: Path) -> None:
    """Two checkouts may use the same port one after the other; each ends its own alone."""
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "server.py").write_text("import time; time.sleep(600)")
    command = [sys.executable, "-m", "local.server", str(settings.port), "1"]
    other_process = subprocess.Popen(command, cwd=tmp_path)
    try:
        process.stop(settings)

        assert other_process.poll() is None
    finally:
        other_process.kill()
        other_process.wait()


def test_a_port_in_use_is_reported_in_a_sentence(settings: Settings) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", settings.port))
        listener.listen()
        result = local("up", STEPWORKS_PORT=str(settings.port))

    assert result.returncode == 1
    assert f"Port {settings.port} is in use" in result.stderr
    assert "STEPWORKS_PORT=" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_the_log_of_a_server_that_does_not_start_is_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/ls")  # exits at once, with a complaint

    with pytest.raises(LocalError, match="did not start") as failed:
        process.start(settings)
    assert "cannot access" in str(failed.value)
    assert not settings.directory.exists()


def test_the_exit_code_of_a_server_that_does_not_start_is_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(LocalError, match=r"did not start: the process ended with exit code 1"):
        process.start(settings)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STEPWORKS_PORT", "http"),
        ("STEPWORKS_PORT", "80"),
        ("STEPWORKS_PORT", "70000"),
        ("STEPWORKS_WAIT_SCALE", "fast"),
        ("STEPWORKS_WAIT_SCALE", "-1"),
        ("STEPWORKS_WAIT_SCALE", "2"),
    ],
)
def test_a_wrong_setting_is_reported_in_a_sentence(variable: str, value: str) -> None:
    result = local("env", **{variable: value})

    assert result.returncode == 1
    assert f"{variable} is '{value}'" in result.stderr
    assert "Traceback" not in result.stderr


def test_env_makes_any_client_talk_to_the_local_aws() -> None:
    result = local("env", STEPWORKS_PORT="4999")

    assert result.returncode == 0
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:4999\n" in result.stdout
    assert "export STEPWORKS_STAGE=local\n" in result.stdout


@pytest.mark.parametrize(
    ("tool", "version", "message"),
    [
        ("python", "3.10.1", "Python 3.11 or later"),
        ("node", "v18.0.0", "Node.js 20.19 or later is needed, and this is v18.0.0"),
        ("node", None, "Node.js 20.19 or later with npm is needed, and none was found"),
    ],
    ids=["old Python", "old Node", "no Node"],
)
def test_a_missing_tool_is_reported_in_a_sentence(
    tmp_path: Path, tool: str, version: str | None, message: str
) -> None:
    for name in ("head", "sh"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if name == "sh" else "/usr/bin/head")
    fake = f'#!/bin/sh\n[ "$1" = --version ] && echo {version} && exit 0\nexit 1\n'
    for name in ("python3", "node", "npm") if version else ():
        (tmp_path / name).write_text(fake)
        (tmp_path / name).chmod(0o755)

    result = subprocess.run(
        [str(ROOT / "local" / "tools.sh"), tool],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
