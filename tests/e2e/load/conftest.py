"""A local AWS of these tests' own: what they do to it, no other test has to bear."""

import socket
from collections.abc import Iterator

import pytest

from local import deploy, process
from local.aws import Aws
from local.settings import Settings

WAIT_SCALE = 0.005  # ten minutes take three seconds


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings = Settings(port=probe.getsockname()[1], wait_scale=WAIT_SCALE)
    try:
        process.start(settings)
        deploy.deploy(settings)
        yield Aws(settings)
    finally:
        process.stop(settings)
