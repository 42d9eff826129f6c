"""A local AWS of these tests' own: what they do to it, no other test has to bear."""

import socket
from collections.abc import Iterator

import pytest

from local import deploy, process
from local.aws import Aws
from local.settings import ROOT, Settings
from tests.e2e.load import storm
from tests.e2e.load.figures import Figures
from tests.e2e.size import Size
from tests.support import generated

WAIT_SCALE = 0.005  # ten minutes take three seconds
DOCUMENT = ROOT / "docs" / "reliability.md"


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest, full_load: bool) -> Iterator[Figures]:
    figures = Figures()
    yield figures
    if full_load and not request.session.testsfailed:
        text = f"{generated.measured_on('make load')}\n\n{figures.table()}"
        generated.replace(DOCUMENT, "load", text)


@pytest.fixture(scope="session")
def aws(size: Size) -> Iterator[Aws]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings = Settings(port=probe.getsockname()[1], wait_scale=WAIT_SCALE)
    storm.prepare(settings)
    try:
        process.start(settings, "tests.e2e.load.server")
        deploy.deploy(settings)
        aws = Aws(settings)
        if size.segment_bytes:
            divide_into(size.segment_bytes, aws)
        yield aws
    finally:
        process.stop(settings)


def divide_into(segment_bytes: int, aws: Aws) -> None:
    """Let a file of more than two segments of this size be processed in segments."""
    functions, plan = aws.client("lambda"), aws.function_name("planIngestion")
    environment = functions.get_function_configuration(FunctionName=plan)["Environment"]
    environment["Variables"] |= {
        "LARGE_FILE_BYTES": str(2 * segment_bytes),
        "SEGMENT_BYTES": str(segment_bytes),
    }
    functions.update_function_configuration(FunctionName=plan, Environment=environment)
