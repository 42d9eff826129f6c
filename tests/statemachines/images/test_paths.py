"""Every path of the images machine, on moto's engine; what it publishes arrives on moto's SNS."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.support import asl
from tests.support.engine import Engine, Run, Task, engine, fails, in_turn, succeeds, times_out
from tests.support.error_names import TRANSIENT

REQUEST = {"baseUrl": "https://flags.example", "resourcePaths": ["a", "b"], "lambdaConcur": 5}
PLAN = {"requested": 12, "distinct": 12, "batchSize": 5, "batches": [0, 1, 2]}
BATCH = {"results": "results/0.json", "succeeded": 5, "failed": 0}
GOOD = {"requested": 12, "downloaded": 12, "failed": 0, "report": "s3://r", "messages": []}
BAD = GOOD | {"downloaded": 10, "failed": 2, "messages": ["Could not find: ä", 'No "quotes": b']}
RECORDED = {"images": 12}
STEPS = {  # function: (its state, what it answers when all is well)
    "batchResources": ("Batch Resources", PLAN),
    "downloadBatch": ("Download Batch", BATCH),
    "consolidate": ("Consolidate", GOOD),
    "recordDownloads": ("Record Downloads", RECORDED),
}
OUTSIDE = {name: step for name, step in STEPS.items() if name != "downloadBatch"}
BEGIN = ["Set Paths Aside", "Batch Resources", "Download Batches"]
KILLED = ["Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown"]


class Machine:
    """The machine with a topic to publish to, and a queue that hears what it publishes."""

    def __init__(self, active: Engine) -> None:
        self.engine = active
        self.sqs = boto3.client("sqs", region_name=asl.REGION)
        sns = boto3.client("sns", region_name=asl.REGION)
        self.queue = self.sqs.create_queue(QueueName="heard")["QueueUrl"]
        self.topic = sns.create_topic(Name="failed")["TopicArn"]
        queue_arn = f"arn:aws:sqs:{asl.REGION}:{asl.ACCOUNT}:heard"
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=queue_arn)

    def run(self, input_: dict[str, Any] = REQUEST, **tasks: Task) -> Run:
        """Run it with all well but for `tasks`."""
        text = json.dumps(asl.definition("images"))
        definition = json.loads(text.replace('"ImagesFailedTopic"', json.dumps(self.topic)))
        well = {function: succeeds(answer) for function, (_, answer) in STEPS.items()}
        return self.engine.run(definition, input_, well | tasks)

    def heard(self) -> list[tuple[str, str]]:
        """Subject and message of each publication."""
        found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        bodies = [json.loads(message["Body"]) for message in found.get("Messages", [])]
        return [(body["Subject"], body["Message"]) for body in bodies]


@pytest.fixture
def machine() -> Iterator[Machine]:
    with engine() as active:
        yield Machine(active)


# -- All well --------------------------------------------------------------------------------


def test_all_downloaded(machine: Machine) -> None:
    result = machine.run()

    assert result.status == "SUCCEEDED"
    assert result.visited == [
        *BEGIN,
        *["Download Batch"] * 3,
        *("Consolidate", "Record Downloads", "All Downloaded?"),
        "All resource downloads succeeded",
    ]
    assert result.output == GOOD | {"recorded": RECORDED}
    assert machine.heard() == []


def test_each_function_is_told_the_execution_and_what_it_needs(machine: Machine) -> None:
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
    assert result.sizes["Set Paths Aside"] == 2


# -- Some downloads failed -------------------------------------------------------------------


def test_failures_are_published_after_successes_are_recorded(machine: Machine) -> None:
    result = machine.run(consolidate=succeeds(BAD))

    assert (result.status, result.error) == ("FAILED", "DownloadsFailedError")
    assert result.cause == "One or more resources failed to download"
    assert result.visited[-5:] == [
        *("Consolidate", "Record Downloads", "All Downloaded?", "Publish Failures"),
        "All resource downloads did not succeed",
    ]
    ((subject, message),) = machine.heard()
    assert subject == "Failed stepfunction download tasks"
    assert json.loads(message) == BAD["messages"]


@pytest.mark.parametrize("error", ["ClientError", "DownloadsBrokenError", "KeyError"])
def test_a_lost_batch_does_not_stop_the_others(machine: Machine, error: str) -> None:
    def lost_once(event: dict[str, Any]) -> Any:
        return fails(error, "x" * 5000)(event) if event["batch"] == 1 else BATCH

    result = machine.run(downloadBatch=lost_once, consolidate=succeeds(BAD))

    assert len(result.events_of("downloadBatch")) == 3
    assert result.events_of("consolidate")[0]["batches"] == [BATCH, {"error": error}, BATCH]
    assert result.error == "DownloadsFailedError"
    assert result.visited.count("Batch Lost") == 1


def test_a_batch_that_takes_too_long_is_lost(machine: Machine) -> None:
    result = machine.run(downloadBatch=times_out, consolidate=succeeds(BAD))

    assert result.events_of("consolidate")[0]["batches"] == [{"error": "States.Timeout"}] * 3


@pytest.mark.parametrize("function", STEPS)
@pytest.mark.parametrize("error", KILLED)
def test_a_function_that_was_killed_is_tried_twice_more(
    machine: Machine, function: str, error: str
) -> None:
    _, answer = STEPS[function]
    one_batch = PLAN | {"batches": [0]}
    recovering = in_turn(
        *(fails(error), fails(error)),
        succeeds(one_batch if function == "batchResources" else answer),
    )
    result = machine.run(
        **{"batchResources": succeeds(one_batch)} | {function: recovering},
    )

    assert result.status == "SUCCEEDED"
    assert len(result.events_of(function)) == 3


@pytest.mark.parametrize("function", OUTSIDE)
def test_a_function_that_is_killed_every_time_is_announced(machine: Machine, function: str) -> None:
    result = machine.run(**{function: fails("Runtime.OutOfMemory")})

    assert len(result.events_of(function)) == 3
    assert (result.status, result.error) == ("FAILED", "Runtime.OutOfMemory")
    ((_, message),) = machine.heard()
    assert message.endswith("stopped with Runtime.OutOfMemory.")


@pytest.mark.parametrize("state", ["Publish Failures", "Publish Fault"])
def test_what_sns_answers_without_a_name_of_its_own_is_retried(state: str) -> None:
    """No engine here can be made to raise them."""
    retried = asl.definition("images")["States"][state]["Retry"][0]["ErrorEquals"]

    assert {"SNS.AmazonSNSException", "SNS.SdkClientException"} <= set(retried)


def test_failures_that_cannot_be_published_are_an_error_of_their_own(machine: Machine) -> None:
    machine.topic = machine.topic.replace("failed", "gone")
    result = machine.run(consolidate=succeeds(BAD))

    assert (result.status, result.error) == ("FAILED", "FailuresNotPublishedError")
    assert "SNS" in json.loads(result.cause or "")["Error"]
    assert result.visited[-2:] == ["Publish Failures", "Failures Not Published"]


# -- The run itself broke --------------------------------------------------------------------


@pytest.mark.parametrize("function", OUTSIDE)
def test_a_run_that_breaks_is_announced_and_ends_with_what_broke_it(
    machine: Machine, function: str
) -> None:
    result = machine.run(**{function: fails("InvalidDownloadRequestError", "the reason")})

    assert (result.status, result.error) == ("FAILED", "InvalidDownloadRequestError")
    assert json.loads(result.cause or "")["errorMessage"] == "the reason"
    assert result.visited[-3:] == [
        *("Publish Fault", "Did Step Functions Stop It?", "Run Not Finished"),
    ]
    assert len(result.events_of(function)) == 1  # such an error is not retried
    ((subject, message),) = machine.heard()
    assert subject == "Failed stepfunction download run"
    assert message.endswith("stopped with InvalidDownloadRequestError.")
    assert ":execution:" in message


@pytest.mark.parametrize("function", OUTSIDE)
def test_a_task_that_takes_too_long_is_a_failure_like_another(
    machine: Machine, function: str
) -> None:
    result = machine.run(**{function: times_out})

    # No execution may end with a name that begins with `States.`: AWS keeps them for itself.
    assert (result.status, result.error) == ("FAILED", "TaskStoppedError")
    assert json.loads(result.cause or "")["Error"] == "States.Timeout"
    assert result.visited[-1] == "Run Stopped"
    assert len(machine.heard()) == 1


def test_a_plan_without_batches_stops_the_map_and_is_announced(machine: Machine) -> None:
    result = machine.run(batchResources=succeeds({"requested": 1}))

    assert (result.status, result.error) == ("FAILED", "TaskStoppedError")
    assert len(machine.heard()) == 1


def test_an_input_that_leaves_no_room_for_the_execution_beside_it_is_announced() -> None:
    """262,144 bytes may start an execution, but the task would get more than that: an error that
    States.ALL does not match, and that no engine here raises.
    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    """
    first = asl.definition("images")["States"]["Batch Resources"]["Catch"][0]

    assert first["ErrorEquals"] == ["States.DataLimitExceeded"]
    assert first["Next"] == "Publish Fault"


def test_when_nobody_can_be_told_the_first_error_stays(machine: Machine) -> None:
    machine.topic = machine.topic.replace("failed", "gone")
    result = machine.run(consolidate=fails("RunDocumentMissingError", "first"))

    assert (result.status, result.error) == ("FAILED", "RunDocumentMissingError")
    assert "first" in (result.cause or "")


# -- What passes -----------------------------------------------------------------------------


@pytest.mark.parametrize("function", STEPS)
@pytest.mark.parametrize("error", TRANSIENT)
def test_a_passing_fault_is_retried_and_forgotten(
    machine: Machine, function: str, error: str
) -> None:
    state, answer = STEPS[function]
    result = machine.run(
        **{"batchResources": succeeds(PLAN | {"batches": [0]})}
        | {function: in_turn(fails(error), fails(error), succeeds(answer))}
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
