"""A local AWS of these tests' own: what they do to it, no other test has to bear."""

import socket
from collections.abc import Iterator

import pytest

from local import deploy, process
from local.aws import Aws
from local.settings import ROOT, Settings
from tests.e2e.load import storm
from tests.e2e.load.figures import Figures
from tests.e2e.load.size import FULL, SMALL, Size
from tests.support import generated

WAIT_SCALE = 0.005  # ten minutes take three seconds
DOCUMENT = ROOT / "docs" / "reliability.md"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full-load",
        action="store_true",
        help="send the full numbers of items, and write the figures to docs/reliability.md",
    )


def is_full(config: pytest.Config) -> bool:
    # The option exists only if a path in this folder is named on the command line.
    return bool(config.getoption("--full-load", False))


@pytest.fixture(scope="session")
def size(pytestconfig: pytest.Config) -> Size:
    return FULL if is_full(pytestconfig) else SMALL


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    figures = Figures()
    yield figures
    if is_full(request.config) and not request.session.testsfailed:
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
