"""`python -m console` on the terminal: events and open callbacks."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from local.aws import Aws, until
from local.settings import ROOT, STACK
from local.signing import Signing

Started = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(aws: Aws) -> Iterator[Started]:
    """Start a command of the console."""
    started = []

    def start_command(*arguments: str, stack: str = STACK) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "console", "--stack", stack, *arguments],
            cwd=ROOT,
            env=os.environ | aws.settings.client_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_command
    for process in started:
        process.kill()
        process.communicate()


def printed(process: subprocess.Popen[str]) -> list[Any]:
    """What a command that has ended printed as JSON."""
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in out.splitlines()]


def next_with(process: subprocess.Popen[str], text: str) -> Any:
    """The next line that has this text, of a command that goes on."""
    assert process.stdout
    for line in process.stdout:
        if text in line:
            return json.loads(line)
    raise AssertionError(f"it ended without {text}")


def send_message(aws: Aws, title: str) -> None:
    entry = {
        "EventBusName": aws.outputs["MessagesBusName"],
        "Source": "com.devpost.commonevent",
        "DetailType": "message",
        "Detail": json.dumps({"title": title, "password": "hunter2"}),
    }
    aws.client("events").put_events(Entries=[entry])


def test_events_of_the_log_and_new_ones(aws: Aws, start: Started) -> None:
    first, second = f"first-{uuid4().hex[:8]}", f"second-{uuid4().hex[:8]}"
    send_message(aws, first)

    def logged() -> Any:
        return printed(start("events", "--json", "--text", first, "--type", "message"))

    (event, *_) = until("the event", logged, 120)
    assert event["source"] == "com.devpost.commonevent"
    assert event["detail"]["title"] == first
    assert "hunter2" not in json.dumps(event)

    following = start("events", "--json", "--follow", "--source", "com.devpost.commonevent")
    next_with(following, first)
    send_message(aws, second)
    assert next_with(following, second)["detail"]["title"] == second


def test_callbacks_as_they_open_and_close(aws: Aws, start: Started) -> None:
    signing = Signing(aws)
    document = f"contract-{uuid4().hex[:8]}"
    arn = signing.start(document)
    signing.link(document)

    found = printed(start("waiting", "--json"))
    (mine,) = (one for one in found if one["run"]["label"] == document)
    assert (mine["state"], mine["open"]) == ("Bob Signature", True)
    assert mine["timesOutAt"] > mine["since"]

    following = start("waiting", "--json", "--follow")
    assert next_with(following, document)["open"] is True
    aws.client("stepfunctions").stop_execution(executionArn=arn)
    assert next_with(following, document)["open"] is False


def test_for_people_it_is_a_line(aws: Aws, start: Started) -> None:
    signing = Signing(aws)
    document = f"contract-{uuid4().hex[:8]}"
    signing.start(document)
    signing.link(document)

    out, _ = start("waiting").communicate(timeout=120)

    (line,) = (line for line in out.splitlines() if document in line)
    assert "Bob Signature" in line
    assert "times out in" in line
    assert "{" not in line


def test_a_stack_without_an_event_log_says_so(aws: Aws, start: Started) -> None:
    formation = aws.client("cloudformation")
    stack = f"no-log-{uuid4().hex[:8]}"
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    formation.create_stack(StackName=stack, TemplateBody=json.dumps(template))

    process = start("events", stack=stack)
    _, errors = process.communicate(timeout=120)
    formation.delete_stack(StackName=stack)

    assert process.returncode == 1
    assert "has no event log" in errors
    assert "Traceback" not in errors
