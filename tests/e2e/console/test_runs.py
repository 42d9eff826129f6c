"""Runs of the deployed workflows, in the console of the local AWS."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from local.aws import Aws, until
from local.signing import Signing
from tests.e2e.console.conftest import Client, run_id, wait_for

BOB = "Gather Signatures/1/Bob Signature"
ATTEMPTS = 5  # at what a busy machine may delay


@pytest.fixture
def waiting(aws: Aws) -> str:
    """ARN of a run that waits for Bob."""
    signing = Signing(aws)
    document = f"contract-{uuid4().hex[:8]}"
    arn = signing.start(document)
    signing.link(document)
    return arn


def test_the_stack_and_its_machines(console: Client, aws: Aws) -> None:
    found = console.get("stack")

    assert (found["name"], found["local"], found["writable"]) == ("stepworks-local", True, True)
    assert {machine["arn"] for machine in found["workflows"]} == {
        arn for name, arn in aws.outputs.items() if name.endswith("StateMachineArn")
    }
    assert "signature" in {machine["title"] for machine in found["workflows"]}


def test_a_run_that_waits_for_bob(console: Client, waiting: str) -> None:
    def complete() -> Any:  # the function's log comes at its end
        found = console.run(waiting)
        labels = {row["label"] for row in found["timeline"]["rows"] if row["group"] == "Functions"}
        alice = found["states"]["Gather Signatures/0/Alice Signature"]["status"]
        all_there = {"signDocument", "requestDocumentSignature"} <= labels
        return found if all_there and alice == "succeeded" else None

    page = until("the functions in the timeline", complete)

    assert page["run"]["status"] == "RUNNING"
    assert (page["run"]["waiting"], page["run"]["states"]) == (True, ["Bob Signature"])
    assert page["run"]["label"] == page["run"]["input"]["documentId"]
    assert page["states"][BOB]["status"] == "waiting"
    assert page["states"]["Gather Signatures/0/Alice Signature"]["status"] == "succeeded"
    assert page["canStop"]
    assert {"kind": "request", "label": "POST /documents", "href": None, "at": None} in page[
        "trigger"
    ]
    assert page["problems"] == []

    panel = console.run(waiting, f"/states/{quote(BOB)}")
    assert panel["status"] == "waiting"
    assert panel["note"]["timesOutAt"] > time.time() * 1000
    assert panel["parameters"]["Payload"]["signer"] == "Bob"
    assert "signature requested" in {line["message"] for line in panel["log"]}
    assert {line["function"] for line in panel["log"]} == {"requestDocumentSignature"}
    assert panel["attempts"][0]["durationMs"] > 0

    log = console.run(waiting, "/log", text="document signed")
    assert [line["node"] for line in log["lines"]] == ["Gather Signatures/0/Alice Signature"]


def test_no_task_token_leaves_the_server(console: Client, aws: Aws, waiting: str) -> None:
    tokens = {
        json.loads(event["taskScheduledEventDetails"]["parameters"])["Payload"]["taskToken"]
        for event in aws.history(waiting)
        if "waitForTaskToken" in event.get("taskScheduledEventDetails", {}).get("resource", "")
    }
    assert len(tokens) == 1
    codes = [link.partition("code=")[2] for link in Signing(aws).links(_document(aws, waiting))]
    assert codes
    run = f"api/runs/{run_id(waiting)}"
    states = [node["id"] for node in console.run(waiting)["graph"]["nodes"]]
    paths = [
        *("", "api/stack", "api/runs", run, f"{run}/log", f"{run}/history", f"{run}/raw"),
        *(f"{run}/test", f"{run}/map/Nothing", "api/nothing", f"{run}/states/{quote(BOB)}?visit=0"),
        *(f"{run}/states/{quote(state)}" for state in states),
    ]

    answers = {path: console.call(path).text for path in paths}
    with console.live(run=_id(waiting)) as events:
        answers["live"] = json.dumps([next(events) for _ in range(2)])

    secrets = [*tokens, *codes]
    assert [path for path, text in answers.items() if any(one in text for one in secrets)] == []
    assert "hidden" in answers[f"{run}/raw"]


def _document(aws: Aws, arn: str) -> str:
    return str(json.loads(aws.describe(arn)["input"])["documentId"])


def _id(arn: str) -> str:
    return arn.partition(":execution:")[2]


def test_a_change_is_told_within_a_second(console: Client, aws: Aws, waiting: str) -> None:
    """From the time of the event in the history. The machine may be busy: one of several tries."""
    signing = Signing(aws)
    delays: list[float] = []
    with console.live() as events:
        while min(delays, default=2_000) >= 1_000:
            assert len(delays) < ATTEMPTS, delays
            time.sleep(2)  # the poller has become slow
            name = f"live-{uuid4().hex[:8]}"
            arn = aws.client("stepfunctions").start_execution(
                stateMachineArn=signing.machine, name=name, input="{}"
            )["executionArn"]
            wait_for(
                events,
                lambda kind, data, name=name: (
                    kind == "runs" and name in {run["name"] for run in data["runs"]}
                ),
            )
            told = time.time()
            delays.append((told - aws.history(arn)[0]["timestamp"].timestamp()) * 1000)


def test_a_watched_run_is_told_of_in_the_list_and_on_its_page(
    console: Client, aws: Aws, waiting: str
) -> None:
    signing = Signing(aws)
    with console.live(run=_id(waiting)) as events:
        assert next(events)[0] == "summary"
        assert next(events)[0] == "state"
        signing.decide(signing.link(_document(aws, waiting)), "sign")
        missing = {"run", "runs"}  # the watched run changed; it is no longer running in the list

        def is_told(kind: str, data: Any) -> bool:
            changed = data["runs"] if kind == "runs" else [data] if kind == "run" else []
            for run in changed:
                if run["id"] == _id(waiting) and run.get("status") != "RUNNING":
                    missing.discard(kind)
            return not missing

        wait_for(events, is_told)


def test_stop_and_start_again(console: Client, aws: Aws, waiting: str) -> None:
    path = f"runs/{run_id(waiting)}"

    assert console.post(f"{path}/stop").json == {"id": _id(waiting)}
    page = until(
        "the run to be stopped",
        lambda: found if (found := console.run(waiting))["run"]["status"] == "ABORTED" else None,
    )
    assert page["states"][BOB]["status"] == "cancelled"

    again = console.post(f"{path}/rerun", {"input": {"documentId": "another"}}).json["id"]
    assert console.get(f"runs/{quote(again, safe='')}")["run"]["input"] == {"documentId": "another"}
    same = console.post(f"{path}/rerun").json["id"]
    page = console.get(f"runs/{quote(same, safe='')}")
    assert page["run"]["input"] == {"documentId": _document(aws, waiting)}
    for started in (again, same):
        console.post(f"runs/{quote(started, safe='')}/stop")


@pytest.mark.parametrize("action", ["stop", "rerun", "redrive"])
@pytest.mark.parametrize("token", ["", "wrong"])
def test_nobody_changes_anything_without_the_pages_token(
    console: Client, aws: Aws, waiting: str, action: str, token: str
) -> None:
    answer = console.post(f"runs/{run_id(waiting)}/{action}", token=token)

    assert answer.status == 403
    assert aws.describe(waiting)["status"] == "RUNNING"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Host": "example.com"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_pages_elsewhere_are_refused(console: Client, headers: dict[str, str]) -> None:
    assert console.call("api/stack", headers=headers).status == 403


def test_every_answer_has_the_security_headers(console: Client) -> None:
    for path in ("", "api/stack", "api/nothing", "lib/preact.js", "page/../web.py"):
        headers = console.call(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "page/..%2fweb.py",
        "page/%2e%2e/web.py",
        "lib/..%2f..%2fpackage.json",
        "lib/osls.js",
        "page/index.html",
    ],
)
def test_only_listed_files_are_served(console: Client, path: str) -> None:
    answer = console.call(path)

    assert answer.status == 404 or "<html" in answer.text  # an address of the page
    assert "import" not in answer.text.partition("<script")[0]


def test_the_libraries_are_served(console: Client) -> None:
    for name in ("preact", "hooks", "htm", "dagre"):
        answer = console.call(f"lib/{name}.js")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/javascript")
        assert 'from"preact"' not in answer.text
        tag = {"If-None-Match": answer.headers["etag"]}
        assert console.call(f"lib/{name}.js", headers=tag).status == 304


def test_a_copied_test_passes(console: Client, aws: Aws, tmp_path: Path) -> None:
    signing = Signing(aws)
    document = f"copied-{uuid4().hex[:8]}"
    arn = signing.start(document)
    signing.decide(signing.link(document), "decline")
    assert aws.wait_for_end(arn)["status"] == "FAILED"

    copied = console.run(arn, "/test")
    path = tmp_path / copied["name"]
    path.write_text(copied["code"])
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)],
        cwd=tmp_path,
        env=aws.settings.client_environment() | {"PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout
    assert "Bob Signature" in copied["code"]


def test_unknown_things_are_not_found(console: Client, waiting: str) -> None:
    run = f"api/runs/{run_id(waiting)}"

    for path in ("api/runs/no:such", "api/runs/x", f"{run}/states/Nothing", f"{run}/map/Nothing"):
        answer = console.call(path)
        assert answer.status == 404
        assert answer.json["error"]["message"]
    assert console.call("api/runs?limit=many").status == 400
    assert console.call(f"{run}/map/{quote(BOB)}").status == 400
