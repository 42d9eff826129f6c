"""One local AWS for the whole run, shared by all workers, started when the first test asks."""

import fcntl
import gc
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling

from local import deploy, locks, process
from local.aws import Aws, Deployment
from local.errors import LocalError
from local.settings import ROOT, Settings
from tests.support import checks, garbage, library_caches, packaged
from tests.support.packaged import Package

RUN_DIRECTORY = "STEPWORKS_TEST_RUN"
# Ten minutes take three seconds: long enough to look at a waiting execution.
WAIT_SCALE = 0.005
# How long an example takes depends on what else the machine does.
hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")
# For `make test-fast`: a third of the examples of each property. `make test` tries all of them.
hypothesis_settings.register_profile(
    "few examples", hypothesis_settings.get_profile("any machine"), max_examples=30
)
# The suites that package or deploy the service, with the Serverless Framework.
WITH_FRAMEWORK = ("template", "e2e", "browser")


def pytest_addoption(parser: pytest.Parser) -> None:
    checks.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("stage"):
        library_caches.share()
        os.environ["STAGE"] = "test"  # as below
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(checks.Outcomes(config))
        return
    if not _framework_is_installed() and any(map(_needs_framework, config.args)):
        suites = ", ".join(f"tests/{suite}" for suite in WITH_FRAMEWORK)
        raise pytest.UsageError(
            f"{suites} need the Serverless Framework, which is not installed: run "
            "`make setup-tests`. `make test-fast` runs the suites that do not need it."
        )
    _forget_the_terminals_settings()
    library_caches.share()
    if RUN_DIRECTORY not in os.environ:  # workers inherit it
        os.environ[RUN_DIRECTORY] = tempfile.mkdtemp(prefix="stepworks-tests-")
        config.stash[_owner] = True


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return checks.has_no_check(collection_path, config) or None  # None: pytest decides


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    checks.select(config, items)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return Modules(config, log)


class Modules(LoadScopeScheduling):
    """A worker gets a whole module, so that what its tests share is made once.

    The load tests share a local AWS of their own: one worker gets all of them. (pytest-xdist's
    mark `xdist_group` has no effect with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        folder = module.rpartition("/")[0]
        return folder if folder == "tests/e2e/load" else module


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    gc.disable()
    try:
        return (yield)
    finally:
        garbage.collect_less_often()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable(report: Any) -> Generator[None, Any, Any]:
    """A worker sends three reports of each test: most of them are keywords that nobody reads."""
    data = yield
    if data and getattr(report, "passed", False) and "keywords" in data:
        data["keywords"] = {}
    return data


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.stash.get(_owner, False):
        directory = Path(os.environ.pop(RUN_DIRECTORY))
        if (directory / "stack.json").exists():
            process.stop(_settings(directory))
        shutil.rmtree(directory, ignore_errors=True)


_owner = pytest.StashKey[bool]()
# What a person sets for the tests themselves.
FOR_TESTS = {RUN_DIRECTORY, "STEPWORKS_SCREENSHOTS"}


def _forget_the_terminals_settings() -> None:
    """Run the same tests in every terminal: after `eval "$(make -s env)"`, with an AWS profile …"""
    for name in [*os.environ]:
        if name.startswith(("AWS_", "STEPWORKS_")) and name not in FOR_TESTS:
            del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"  # or boto3 asks 169.254.169.254
    os.environ["STAGE"] = "test"  # every function has it (serverless.yml, provider.environment)


def _framework_is_installed() -> bool:
    return (ROOT / "node_modules" / ".bin" / "serverless").exists()


def _needs_framework(argument: str) -> bool:
    """Whether there are such tests in what was named on the command line."""
    named = Path(argument.partition("::")[0]).absolute()
    suites = [ROOT / "tests" / suite for suite in WITH_FRAMEWORK]
    return any(suite.is_relative_to(named) or named.is_relative_to(suite) for suite in suites)


@pytest.fixture(scope="session")
def server() -> Aws:
    """A local AWS of this test run's own; the service need not be deployed on it."""
    directory = Path(os.environ[RUN_DIRECTORY])
    with _locked(directory / "lock"), _fails_once(directory / "server-failed"):
        if not (directory / "stack.json").exists():
            (directory / "stack.json").write_text(json.dumps({"port": _free_port()}))
            process.start(_settings(directory))
    return Aws(_settings(directory))


@pytest.fixture(scope="session")
def aws(request: pytest.FixtureRequest) -> Deployment:
    """The deployed service: on the local AWS of this test run, or the stage of `--stage`."""
    if request.config.getoption("stage"):
        return checks.deployment(request.config)
    server: Aws = request.getfixturevalue("server")
    directory = Path(os.environ[RUN_DIRECTORY])
    with _locked(directory / "deploy-lock"), _fails_once(directory / "deployment-failed"):
        if not (directory / "deployed").exists():
            deploy.deploy(server.settings)
            (directory / "deployed").touch()
    return Aws(server.settings)


@pytest.fixture
def alone_with_dead_letters(aws: Deployment) -> Iterator[None]:
    """No other test looks at the messages workflow's dead letters: that hides them for a while.

    Not even one of another process: `make verify` may check the same local AWS.
    """
    is_local = isinstance(aws, Aws)
    with locks.one_at_a_time(f"dead-letters-{aws.settings.port}") if is_local else nullcontext():
        yield


@pytest.fixture(scope="session")
def package() -> Callable[..., Package]:
    """The package of a stage, its parameters perhaps overridden; each made once a run."""
    directory = Path(os.environ[RUN_DIRECTORY])

    def of_stage(stage: str, **parameters: str) -> Package:
        name = "-".join(("package", stage, *parameters))
        with _locked(directory / "package-lock"):
            return packaged.package(stage, directory / name, **parameters)

    return of_stage


@contextmanager
def _fails_once(note: Path) -> Iterator[None]:
    """What failed for one worker is not tried again for the next test, but fails as it did."""
    if note.exists():
        pytest.fail(note.read_text())
    try:
        yield
    except LocalError as error:
        note.write_text(str(error))
        raise


def _settings(directory: Path) -> Settings:
    port = json.loads((directory / "stack.json").read_text())["port"]
    return Settings(port=port, wait_scale=WAIT_SCALE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
