"""Every path of the images machine, on moto's engine; what it publishes arrives on moto's SNS."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.sns.models import Subscription

from tests.support import asl
from tests.support.aws_clients import aws_client
from tests.support.engine import Engine, Run, Task, engine, fails, in_turn, succeeds, times_out
from tests.support.error_names import TRANSIENT

REQUEST = {"baseUrl": "https://flags.example", "resourcePaths": ["a", "b"], "lambdaConcur": 5}
PLAN = {"requested": 12, "distinct": 12, "batchSize": 5, "batches": [0, 1, 2]}
BATCH = {"results": "results/0.json", "succeeded": 5, "failed": 0}
GOOD = {"requested": 12, "downloaded": 12, "failed": 0, "report": "s3://r", "messages": []}
BAD = GOOD | {"downloaded": 10, "failed": 2, "messages": ["Could not find: ä", 'No "quotes": b']}
RECORDED = {"images": 12}
STEPS = {  # function: (its state, its result by default)
    "batchResources": ("Batch Resources", PLAN),
    "downloadBatch": ("Download Batch", BATCH),
    "consolidate": ("Consolidate", GOOD),
    "recordDownloads": ("Record Downloads", RECORDED),
}
OUTSIDE_MAP = {name: step for name, step in STEPS.items() if name != "downloadBatch"}
FIRST_STATES = ["Drop Paths From State", "Batch Resources", "Download Batches"]
KILLED = ["Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown"]


class Machine:
    """The machine with a topic to publish to, and a queue that receives what it publishes."""

    def __init__(self, active: Engine) -> None:
        self.engine = active
        self.sqs = aws_client("sqs")
        sns = aws_client("sns")
        self.queue = self.sqs.create_queue(QueueName="published")["QueueUrl"]
        self.topic = sns.create_topic(Name="failed")["TopicArn"]
        queue_arn = f"arn:aws:sqs:{asl.REGION}:{asl.ACCOUNT}:published"
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=queue_arn)

    def run(self, input_: dict[str, Any] = REQUEST, **tasks: Task) -> Run:
        """Run it; `tasks` replace the default tasks."""
        text = json.dumps(asl.definition("images"))
        definition = json.loads(text.replace('"ImagesFailedTopic"', json.dumps(self.topic)))
        default_tasks = {
            function: succeeds(default_result) for function, (_, default_result) in STEPS.items()
        }
        return self.engine.run(definition, input_, default_tasks | tasks)

    def published(self) -> list[tuple[str, str]]:
        """Subject and message of each publication."""
        found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        bodies = [json.loads(message["Body"]) for message in found.get("Messages", [])]
        return [(body["Subject"], body["Message"]) for body in bodies]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    # moto signs what it publishes, with a new key for each subscription.
    monkeypatch.setattr(Subscription, "private_key", lambda _: signing_key())
    with engine() as active:
        yield Machine(active)


@cache
def signing_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


# -- Success ---------------------------------------------------------------------------------


def test_all_downloaded(machine: Machine) -> None:
    result = machine.run()

    assert result.status == "SUCCEEDED"
    assert result.visited == [
        *FIRST_STATES,
        *["Download Batch"] * 3,
        *("Consolidate", "Record Downloads", "All Downloaded?"),
        "All resource downloads succeeded",
    ]
    assert result.output == GOOD | {"recorded": RECORDED}
    assert machine.published() == []


def test_each_function_gets_the_execution_and_its_input(machine: Machine) -> None:
    result = machine.run()

    assert all(":execution:" in event["execution"] for _, event in result.calls)
    assert result.events_of("batchResources")[0]["request"] == REQUEST
    batches = sorted(event["batch"] for event in result.events_of("downloadBatch"))
    assert batches == [0, 1, 2]
    assert result.events_of("consolidate")[0]["batches"] == [BATCH] * 3


def test_the_paths_do_not_go_from_state_to_state(machine: Machine) -> None:
    """A run of 10,000 with everything as large as it may be; Step Functions allows 256 KB."""
    paths = [f"{number:05}/" + "x" * 12 for number in range(10_000)]
    longest = {"results": "results/199.json", "succeeded": 50, "failed": 50}
    large = REQUEST | {"resourcePaths": paths}
    assert len(json.dumps(large)) > 200_000
    result = machine.run(
        large,
        batchResources=succeeds(PLAN | {"batches": list(range(200))}),
        downloadBatch=succeeds(longest),
        consolidate=succeeds(BAD | {"messages": ["x" * 1000] * 24}),
    )

    assert result.error == "DownloadsFailedError"
    assert len(result.events_of("downloadBatch")) == 200
    assert max(result.sizes.values()) < 32 * 1024
    assert result.sizes["Drop Paths From State"] == 2


# -- Some downloads failed -------------------------------------------------------------------


def test_failures_are_published_after_successes_are_recorded(machine: Machine) -> None:
    result = machine.run(consolidate=succeeds(BAD))

    assert (result.status, result.error) == ("FAILED", "DownloadsFailedError")
    assert result.cause == "One or more resources failed to download"
    assert result.visited[-5:] == [
        *("Consolidate", "Record Downloads", "All Downloaded?", "Publish Failures"),
        "All resource downloads did not succeed",
    ]
    ((subject, message),) = machine.published()
    assert subject == "Failed stepfunction download tasks"
    assert json.loads(message) == BAD["messages"]


@pytest.mark.parametrize("error", ["ClientError", "DownloadsBrokenError", "KeyError"])
def test_a_failed_batch_does_not_stop_the_others(machine: Machine, error: str) -> None:
    def fails_for_one_batch(event: dict[str, Any]) -> Any:
        return fails(error, "x" * 5000)(event) if event["batch"] == 1 else BATCH

    result = machine.run(downloadBatch=fails_for_one_batch, consolidate=succeeds(BAD))

    assert len(result.events_of("downloadBatch")) == 3
    assert result.events_of("consolidate")[0]["batches"] == [BATCH, {"error": error}, BATCH]
    assert result.error == "DownloadsFailedError"
    assert result.visited.count("Batch Failed") == 1


def test_a_batch_that_times_out_has_failed(machine: Machine) -> None:
    result = machine.run(downloadBatch=times_out, consolidate=succeeds(BAD))

    assert result.events_of("consolidate")[0]["batches"] == [{"error": "States.Timeout"}] * 3


@pytest.mark.parametrize("function", STEPS)
@pytest.mark.parametrize("error", KILLED)
def test_a_function_that_was_killed_is_retried_twice(
    machine: Machine, function: str, error: str
) -> None:
    _, default_result = STEPS[function]
    one_batch = PLAN | {"batches": [0]}
    recovering = in_turn(
        *(fails(error), fails(error)),
        succeeds(one_batch if function == "batchResources" else default_result),
    )
    result = machine.run(
        **{"batchResources": succeeds(one_batch)} | {function: recovering},
    )

    assert result.status == "SUCCEEDED"
    assert len(result.events_of(function)) == 3


@pytest.mark.parametrize("function", OUTSIDE_MAP)
def test_a_function_that_is_killed_every_time_is_published(machine: Machine, function: str) -> None:
    result = machine.run(**{function: fails("Runtime.OutOfMemory")})

    assert len(result.events_of(function)) == 3
    assert (result.status, result.error) == ("FAILED", "Runtime.OutOfMemory")
    ((_, message),) = machine.published()
    assert message.endswith("failed with Runtime.OutOfMemory.")


@pytest.mark.parametrize("state", ["Publish Failures", "Publish Fault"])
def test_sns_errors_without_a_name_of_their_own_are_retried(state: str) -> None:
    """No engine here can be made to raise them."""
    retried = asl.definition("images")["States"][state]["Retry"][0]["ErrorEquals"]

    assert {"SNS.AmazonSNSException", "SNS.SdkClientException"} <= set(retried)


def test_failures_that_cannot_be_published_are_an_error_of_their_own(machine: Machine) -> None:
    machine.topic = machine.topic.replace("failed", "gone")
    result = machine.run(consolidate=succeeds(BAD))

    assert (result.status, result.error) == ("FAILED", "FailuresNotPublishedError")
    assert "SNS" in json.loads(result.cause or "")["Error"]
    assert result.visited[-2:] == ["Publish Failures", "Failures Not Published"]


# -- The run itself failed --------------------------------------------------------------------


@pytest.mark.parametrize("function", OUTSIDE_MAP)
def test_a_run_that_fails_is_published_and_ends_with_its_error(
    machine: Machine, function: str
) -> None:
    result = machine.run(**{function: fails("InvalidDownloadRequestError", "the reason")})

    assert (result.status, result.error) == ("FAILED", "InvalidDownloadRequestError")
    assert json.loads(result.cause or "")["errorMessage"] == "the reason"
    assert result.visited[-3:] == [
        *("Publish Fault", "Is It A Reserved Error?", "Run Not Finished"),
    ]
    assert len(result.events_of(function)) == 1  # such an error is not retried
    ((subject, message),) = machine.published()
    assert subject == "Failed stepfunction download run"
    assert message.endswith("failed with InvalidDownloadRequestError.")
    assert ":execution:" in message


@pytest.mark.parametrize("function", OUTSIDE_MAP)
def test_a_task_that_times_out_fails_the_run(machine: Machine, function: str) -> None:
    result = machine.run(**{function: times_out})

    # No execution may end with a name that begins with `States.`: AWS keeps them for itself.
    assert (result.status, result.error) == ("FAILED", "TaskStoppedError")
    assert json.loads(result.cause or "")["Error"] == "States.Timeout"
    assert result.visited[-1] == "Run Stopped"
    assert len(machine.published()) == 1


def test_a_plan_without_batches_fails_the_map_and_is_published(machine: Machine) -> None:
    result = machine.run(batchResources=succeeds({"requested": 1}))

    assert (result.status, result.error) == ("FAILED", "TaskStoppedError")
    assert len(machine.published()) == 1


def test_an_input_too_large_for_the_first_task_is_published() -> None:
    """262,144 bytes may start an execution, but the task would get more than that: an error that
    States.ALL does not match, and that no engine here raises.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    first = asl.definition("images")["States"]["Batch Resources"]["Catch"][0]

    assert first["ErrorEquals"] == ["States.DataLimitExceeded"]
    assert first["Next"] == "Publish Fault"


def test_the_first_error_stays_when_publishing_fails(machine: Machine) -> None:
    machine.topic = machine.topic.replace("failed", "gone")
    result = machine.run(consolidate=fails("RunDocumentMissingError", "first"))

    assert (result.status, result.error) == ("FAILED", "RunDocumentMissingError")
    assert "first" in (result.cause or "")


# -- Transient errors-------------------------------------------------------------------------


@pytest.mark.parametrize("function", STEPS)
@pytest.mark.parametrize("error", TRANSIENT)
def test_a_transient_error_is_retried(machine: Machine, function: str, error: str) -> None:
    state, default_result = STEPS[function]
    result = machine.run(
        **{"batchResources": succeeds(PLAN | {"batches": [0]})}
        | {function: in_turn(fails(error), fails(error), succeeds(default_result))}
    )

    assert result.status == "SUCCEEDED"
    assert len(result.retries) == 2
    assert len(result.events_of(function)) == 2 + result.visited.count(state)


@pytest.mark.parametrize("function", STEPS)
def test_retries_end(machine: Machine, function: str) -> None:
    result = machine.run(
        **{"batchResources": succeeds(PLAN | {"batches": [0]}), "consolidate": succeeds(BAD)}
        | {function: fails("AwsUnavailableError")}
    )

    assert len(result.events_of(function)) == 6  # the first try and five more
    assert result.status == "FAILED"
