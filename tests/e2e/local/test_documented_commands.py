"""Every command that the documents tell people to type runs, as it is written there.

The commands are read from the documents (`tests/support/documented.py`), section by section, and
run in one shell each, as a reader would run them, against a local AWS of this module's own; what
calls the API does so as an IAM user who may do that and nothing else. A new command in a document
is run as well; one that cannot run here needs an entry in `NOT_RUN`, with the reason. Two kinds of
commands do less the second time, because `make test` has done it already: tests are only collected
(`only_collected`), and what has no effect any more is not repeated (`ONCE`).
"""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import EndpointConnectionError

from local import api, deploy, locks, process
from local.aws import Aws, until
from local.settings import ROOT, Settings
from local.signing import Signing, request_id
from tests.support import documented, iam
from tests.support.documented import Command

AWS_CLI = "awscli==1.46.3"  # pins another botocore than the service: it gets its own environment
COMMANDS = [
    command for document in documented.DOCUMENTS for command in documented.commands(document)
]
SECTIONS = list(dict.fromkeys((command.document, command.section) for command in COMMANDS))

# -- What is not run as it is written --------------------------------------------------------------

# What does not run here, why, and what runs instead; for `make`, the same target without effect.
NOT_RUN: dict[str, tuple[str, str]] = {
    r"make demo( QUICK=1| VERBOSE=1| LARGE=1)?": ("takes minutes; .ci/run runs it", ""),
    r"make test": ("this test is part of it", ""),
    r"make test-fast": ("its tests are part of `make test`", ""),
    r"make watch( WORKFLOW=sensor)?": ("runs until it is interrupted", ""),
    r"make check": ("takes minutes; .ci/run runs it", ""),
    r".venv/bin/python -m pytest tests/statemachines tests/unit/greetings": (
        "tests/docs/test_add_a_workflow.py does so in a copy that has the workflow",
        ".venv/bin/python -m pytest --version",
    ),
    r"make faults": ("takes minutes; tests/integration/faults runs a tenth of it", ""),
    r".venv/bin/python -m faults --workflow sensor": (
        "takes minutes; tests/integration/faults runs a tenth of it",
        ".venv/bin/python -m faults --help",
    ),
    r"make load": ("takes minutes, and writes its figures to a document", ""),
    r"make soak MINUTES=\d+( SEED=\d+)?": ("takes as long as it says", ""),
    r"make bench": ("takes minutes, and its numbers need a quiet machine", ""),
    r".venv/bin/python -m bench ingest": (
        "takes minutes, and its numbers need a quiet machine",
        ".venv/bin/python -m bench --help",
    ),
    r"make console( STAGE=dev( ALLOW_WRITES=1)?)?": ("serves until it is interrupted", ""),
    r".venv/bin/python -m console --stack other-stack": (
        "serves until it is interrupted; test_other_stack.py does so",
        ".venv/bin/python -m console --help",
    ),
    r"python -m console": ("says how it is called", ".venv/bin/python -m console --help"),
    r".venv/bin/python -m tests.browser.console.picture": (
        "needs Chromium, and changes a file in docs/",
        ".venv/bin/python -c 'import tests.browser.console.picture'",
    ),
    r"make deploy STAGE=(dev|prod|prod2)": ("needs an AWS account", ""),
    r"make verify( STAGE=\w+( YES=1| CHECKS=\"images-happy\")?)?": (
        "takes minutes; tests/e2e/ops/test_verify.py runs it",
        "",
    ),
    r"python -m ops verify --stage local": ("the same", ".venv/bin/python -m ops verify --help"),
    r".venv/bin/python -m ops take-back --stage prod": (
        "needs a stack that was removed; test_retained.py runs it",
        ".venv/bin/python -m ops take-back --help",
    ),
    r"npx serverless": ("says how it is called", "command npx serverless --help"),
    r"aws stepfunctions start-execution": (
        "names the command alone",
        "aws stepfunctions start-execution --state-machine-arn x --generate-cli-skeleton output",
    ),
    r"aws stepfunctions redrive-execution .*": (
        "ministack has no RedriveExecution",
        "aws stepfunctions redrive-execution --execution-arn x --generate-cli-skeleton output",
    ),
    r"aws sso login": ("needs a browser, an AWS account and version 2 of the AWS CLI", "true"),
    r"npx serverless deploy --stage dev --param=.*": (
        "deploys as `make up` does, with another value",
        'npx serverless print --stage local --param="sensorWaitSeconds=60"',
    ),
    r"pip install pre-commit && pre-commit install": (
        "needs the network, and changes the hooks of this clone",
        "test -s .pre-commit-config.yaml",
    ),
}
# What has no effect on what comes after it, once it has succeeded. Every shell has the exports.
ONCE = (
    r"make (up|setup|setup-tests|env|help)",
    r'eval "\$\(make -s env\)"',
    r"npx serverless info .*",
)
# What would take the local AWS away from the commands after it: run when all others have been.
LAST = (r"npx serverless remove .*", r"make down")

# What a reader puts in the place of something: a text of the documents, and what is there here.
# Outputs of the stack (`<SensorSourceBucket>`) are replaced without being named.
Values = dict[str, Callable[["Service", str], str]]
VALUES: Values = {
    "stepworks-dev": lambda *_: "stepworks-local",
    "--stage dev": lambda *_: "--stage local",
    "you@your-domain": lambda *_: "you@example.com",
    "486e16a9": lambda service, _: service.dead_letter()[:8],
    "<execution name>": lambda service, _: service.counted_cookies(),
    "<executionArn>": lambda service, _: service.execution("ImagesStateMachineArn"),
    "<its ARN>": lambda service, _: service.started("MessagesStateMachineArn", a_message()),
    "<Execution in the mail>": lambda service, _: service.started(
        "SensorStateMachineArn",
        {"bucketName": service.aws.outputs["SensorSourceBucket"], "objectKey": "gone.csv"},
    ),
    "<run>": lambda service, _: service.counted_cookies(),
    "<suite>": lambda *_: "docs",
    "<key>": lambda service, _: service.failed_file(),
    "<an empty bucket>": lambda service, _: service.empty_bucket(),
    "<request id>": lambda service, _: service.pending_request(),
}


def is_one_of(patterns: Any, command: Command) -> str | None:
    return next((p for p in patterns if re.fullmatch(p, command.line.strip())), None)


def only_collected(text: str) -> str:
    """A command; if it runs tests that `make test` runs, it finds them, but does not run them.

    `make test` runs all of `tests/`. pytest fails for a path that has no test or does not exist.
    """
    command, runs_pytest, arguments = text.partition(".venv/bin/python -m pytest ")
    paths = shlex.split(arguments, comments=True)
    if command or not runs_pytest or not all(path.startswith("tests/") for path in paths):
        return text
    return f"{runs_pytest}{shlex.join(paths)} --collect-only --quiet -n 0"


def a_message() -> dict[str, Any]:
    """An event of the messages workflow, as EventBridge delivers it."""
    return {
        "version": "0",
        "id": f"late-{os.urandom(4).hex()}",
        "time": "2026-01-01T00:00:00Z",
        "source": "com.devpost.commonevent",
        "detail-type": "message",
        "account": "000000000000",
        "region": "us-east-1",
        "resources": [],
        "detail": {"message": json.dumps({"text": "late"})},
    }


# -- Where the commands run ------------------------------------------------------------------------


class Service:
    """The local AWS of this module, and what its readers have done before they type a command."""

    def __init__(self, aws: Aws, user: Credentials, folder: Path) -> None:
        self.aws = aws
        self.user = user
        self.folder = folder
        self.has_run: set[str] = set()  # of ONCE, and in the place of NOT_RUN
        # What a reader's shell begins with, for every section.
        self.exports = subprocess.run(
            ["make", "-s", "env"],
            cwd=ROOT,
            env=os.environ | {"STEPWORKS_PORT": str(aws.settings.port)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def dead_letter(self) -> str:
        """An event that EventBridge could not deliver; it can be sent again."""
        outputs = self.aws.outputs
        event = a_message()
        reasons = {"ERROR_CODE": "THROTTLING", "TARGET_ARN": outputs["MessagesStateMachineArn"]}
        sent = self.aws.client("sqs").send_message(
            QueueUrl=outputs["MessagesDeadLetterQueueUrl"],
            MessageBody=json.dumps(event),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in reasons.items()
            },
        )
        return str(sent["MessageId"])

    def counted_cookies(self) -> str:
        machine = self.aws.outputs["CookiesStateMachineArn"]
        started = self.aws.client("stepfunctions").start_execution(
            stateMachineArn=machine, input=json.dumps({"count": 1})
        )["executionArn"]
        assert self.aws.wait_for_end(started)["status"] == "SUCCEEDED"
        return str(started).rpartition(":")[2]

    def started(self, machine: str, input_: dict[str, Any]) -> str:
        """A new execution, started by hand."""
        states = self.aws.client("stepfunctions")
        arn = self.aws.outputs[machine]
        return str(
            states.start_execution(stateMachineArn=arn, input=json.dumps(input_))["executionArn"]
        )

    def execution(self, machine: str) -> str:
        """The newest execution of a machine, started by a command before."""
        return str(
            until(
                f"an execution of {machine}",
                lambda: self.aws.executions(self.aws.outputs[machine]),
            )[0]["executionArn"]
        )

    def failed_file(self) -> str:
        for bucket in ("SensorTargetBucket", "SensorSourceBucket"):
            prefix = "failed/" if bucket == "SensorTargetBucket" else ""
            self.aws.client("s3").put_object(
                Bucket=self.aws.outputs[bucket], Key=f"{prefix}my/broken.txt", Body=b"s,1,2\n"
            )
        return "my/broken.txt"

    def empty_bucket(self) -> str:
        name = f"empty-{os.urandom(4).hex()}"
        self.aws.client("s3").create_bucket(Bucket=name)
        return name

    def pending_request(self) -> str:
        signing = Signing(self.aws)
        document = f"contract-{os.urandom(4).hex()}"
        signing.start(document)
        return request_id(signing.link(document))

    def in_place(self, text: str) -> str:
        """A command with everything in it that a reader puts there."""
        for name, value in VALUES.items():
            if name in text:
                text = text.replace(name, value(self, text))
        for name, value in self.aws.outputs.items():
            text = text.replace(f"<{name}>", value)
        return text.replace("/tmp/", f"{self.folder}/")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings = Settings(port=probe.getsockname()[1])
    folder = tmp_path_factory.mktemp("documented")
    try:
        process.start(settings)
        deploy.deploy(settings)
        aws = Aws(settings)
        routes = ("POST/documents", "GET/signatures", "POST/messages", "POST/downloads")
        apis = [iam.api_arn(aws, route) for route in (*routes, "GET/executions/*")]
        # What an operator has saved of a message in a failure queue.
        shutil.copy(ROOT / "events/sensor/execute-workflow.json", folder / "event.json")
        may_call = {"Action": "execute-api:Invoke", "Resource": apis}
        # The last command has stopped the local AWS, the user with it.
        with suppress(EndpointConnectionError), iam.user(aws, may_call) as user:
            yield Service(aws, user, folder)
    finally:
        process.stop(settings)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the PATH that has the AWS CLI."""
    home = Path(sys.prefix) / f"aws-cli-{AWS_CLI.rpartition('=')[2]}"
    with locks.one_at_a_time("aws-cli"):
        if not (home / ".ready").exists():
            venv.create(home, clear=True, with_pip=True)
            pip = [home / "bin" / "python", "-m", "pip", "install", "--quiet", AWS_CLI]
            subprocess.run([*pip, "--disable-pip-version-check"], check=True)
            (home / ".ready").touch()
    folder = tmp_path_factory.mktemp("bin")
    (folder / "aws").symlink_to(home / "bin" / "aws")
    return folder


class Shell:
    """A terminal in the checkout's folder."""

    def __init__(self, service: Service, programs: Path) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTEST_"))}
        self.service = service
        self.process = subprocess.Popen(
            ["bash"],
            cwd=ROOT,
            env=inherited
            | {
                "PATH": f"{programs}:{os.environ['PATH']}",
                "STEPWORKS_PORT": str(service.aws.settings.port),
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_PAGER": "",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # with what it leaves in the background
        )

    def run(self, text: str) -> tuple[int, str]:
        """Run a command; its exit code and what it printed."""
        # `serverless` empties the folder in which other tests package at the same time.
        packages = text.strip().startswith("npx serverless")
        with locks.one_at_a_time("serverless") if packages else nullcontext():
            return self._run(text)

    def _run(self, text: str) -> tuple[int, str]:
        script = self.service.folder / "command.sh"
        script.write_text(text + "\n")
        end = f"--{os.urandom(8).hex()}--"
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f'source {script} </dev/null; printf "\\n{end} %d\\n" "$?"\n')
        self.process.stdin.flush()
        printed = []
        for line in self.process.stdout:
            if line.startswith(end):
                return int(line.split()[1]), "".join(printed).strip()
            printed.append(line)
        raise AssertionError(f"the shell ended: {''.join(printed)}")

    def type(self, command: Command) -> str:
        """Run a documented command; it must succeed. Returns what it printed."""
        text = self.service.in_place(command.text)
        code_alone = re.sub(r"#.*", "", text)
        assert not (left := re.search(r"<[a-zA-Z' ]+>|…", code_alone)), (
            f"{command}\nThere is no value for {left and left[0]}: add it to VALUES."
        )
        if command.language == "python":
            program = self.service.folder / "program.py"
            program.write_text(text)
            text = f"PYTHONPATH=. .venv/bin/python {program}"
        signed = re.search(r"aws-sigv4|\{sign\[@\]\}|SigV4Auth", command.text)
        key, secret = (
            (self.service.user.access_key, self.service.user.secret_key)
            if signed
            else ("test", "test")
        )
        self.run(f"export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={shlex.quote(secret)}")
        code, printed = self.run(only_collected(text))
        assert code == 0, f"{command}\nended with {code}:\n{printed}"
        assert '"FunctionError"' not in printed, f"{command}\n{printed}"
        return printed

    def close(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


@pytest.fixture
def shell(service: Service, programs: Path) -> Iterator[Shell]:
    shell = Shell(service, programs)
    try:
        # What every section begins with: `eval "$(make -s env)"`.
        assert shell.run(service.exports)[0] == 0
        # curl accepts any response, a reader does not.
        assert shell.run('curl() { command curl --fail-with-body "$@"; }')[0] == 0
        # Version 1 of the AWS CLI, the one on PyPI, has an endpoint of its own for SQS.
        sqs = 'aws() { [ "$1" != sqs ] || set -- --endpoint-url "$AWS_ENDPOINT_URL" "$@"; '
        assert shell.run(sqs + 'command aws "$@"; }')[0] == 0
        # npx takes half a second to find what is in node_modules. NOT_RUN has a command with npx.
        assert shell.run('npx() { "node_modules/.bin/$1" "${@:2}"; }')[0] == 0
        yield shell
    finally:
        shell.close()


# -- The tests -------------------------------------------------------------------------------------

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(("document", "section"), SECTIONS, ids=map(": ".join, SECTIONS))
def test_the_commands_of_a_section_run(shell: Shell, document: str, section: str) -> None:
    for command in COMMANDS:
        if (command.document, command.section) != (document, section) or is_one_of(LAST, command):
            continue
        line = command.line.strip()
        if pattern := is_one_of(NOT_RUN, command):
            line = NOT_RUN[pattern][1] or re.sub(r"^make ", "make --dry-run ", line)
        once = pattern or is_one_of(ONCE, command)
        if once and line in shell.service.has_run:
            continue
        if pattern:
            code, printed = shell.run(only_collected(line))
            assert code == 0, f"{line} (for {command}) ended with {code}:\n{printed}"
        else:
            shell.type(command)
        if once:
            shell.service.has_run.add(line)


def test_a_command_that_needs_values_or_fails_is_noticed(shell: Shell) -> None:
    """So the test above can fail."""
    for text, message in (
        ("aws s3 ls s3://<NoSuchOutput>", "There is no value for <NoSuchOutput>"),
        ("aws s3 ls s3://there-is-no-such-bucket", "ended with"),
        ("curl $AWS_ENDPOINT_URL/nothing", "ended with 22"),
        (".venv/bin/python -m pytest tests/unit/there-is-no-such-suite", "ended with 4"),
    ):
        with pytest.raises(AssertionError, match=message):
            shell.type(Command("README.md", "", "sh", text, 0))


def test_only_tests_of_make_test_are_not_run() -> None:
    """Others are run: with an option, or of another folder."""
    begin, collect = ".venv/bin/python -m pytest", "--collect-only --quiet -n 0"

    assert only_collected(f"{begin} tests/a tests/b  # all") == f"{begin} tests/a tests/b {collect}"
    for command in (f"{begin} tests/a --full-load", f"{begin} bench", f"cd b; {begin} tests/a"):
        assert only_collected(command) == command


@pytest.mark.parametrize(
    "table", [NOT_RUN, ONCE, LAST, VALUES], ids=["NOT_RUN", "ONCE", "LAST", "VALUES"]
)
def test_every_exception_is_needed(table: Any) -> None:
    used = {
        entry
        for entry in table
        for command in COMMANDS
        if (entry in command.text if table is VALUES else re.fullmatch(entry, command.line.strip()))
    }

    assert set(table) == used


def test_the_api_is_called_as_the_user(service: Service) -> None:
    """What the section's curl commands prove something by: the user may do this, and no more."""
    assert api.call(service.aws, "GET", "/signatures", credentials=service.user).status == 200
    assert api.call(service.aws, "GET", "/messages/x", credentials=service.user).status == 403


@pytest.mark.parametrize("pattern", LAST)
def test_commands_that_remove_the_service_come_last(shell: Shell, pattern: str) -> None:
    (command, *_) = [command for command in COMMANDS if is_one_of([pattern], command)]

    shell.type(command)
