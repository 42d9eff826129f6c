"""What runs left behind, from inputs and results alone, and where its links lead."""

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from console.definition import parse
from console.history import History
from console.links import Link, left_behind, objects, puts_items, trigger
from console.logs import RunLog
from console.redaction import Redaction
from console.runs import run_id
from console.stack import Inventory, Resource
from console.table_items import TableKeys
from console.topology import Connection, Topology
from tests.unit.console.recorded import Events, recorded

REGION, ACCOUNT = "eu-west-1", "123456789012"
QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}"


def resource(kind: str, logical_id: str, physical_id: str) -> Resource:
    return Resource(kind, logical_id, physical_id, logical_id)


RESOURCES = {
    "bucket": (resource("bucket", "Photos", "photos"),),
    "table": (resource("table", "Orders", "orders"),),
    "topic": (resource("topic", "Failed", f"arn:aws:sns:{REGION}:{ACCOUNT}:failed"),),
    "queue": (
        resource("queue", "Parcels", f"{QUEUE_URL}/parcels"),
        resource("queue", "Returns", f"{QUEUE_URL}/returns"),
        resource("queue", "OrderDeadLetters", f"{QUEUE_URL}/order-dead-letters"),
    ),
}


def console(**fields: Any) -> Any:
    """A console of a stack with a bucket, a table, a topic and three queues."""
    inventory = Inventory("shop", ACCOUNT, {}, (), RESOURCES)
    known = {"inventory": inventory, "redaction": Redaction()}
    return SimpleNamespace(aws=SimpleNamespace(region=REGION), **(known | fields))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"bucketName": "b", "objectKey": "k"}, [("b", "k", None)]),
        ({"bucketName": "b", "objectKey": "k", "versionId": "1"}, [("b", "k", "1")]),
        ({"bucketName": "b", "objectKey": "k", "versionId": "null"}, [("b", "k", None)]),
        (
            {"bucket": {"name": "b"}, "object": {"key": "k", "version-id": "1"}},
            [("b", "k", "1")],
        ),
        ({"detail": {"bucket": {"name": "b"}, "object": {"key": "k"}}}, [("b", "k", None)]),
        (
            {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]},
            [("b", "k", None)],
        ),
        ({"a": ["s3://b/c/d", "s3://b"]}, [("b", "c/d", None)]),
        ({"Bucket": "b"}, []),
        ({"bucket": 1, "key": None}, []),
        (None, []),
    ],
    ids=str,
)
def test_objects_are_found_in_all_spellings(
    value: Any, found: list[tuple[str, str, str | None]]
) -> None:
    assert list(objects(value)) == found


def kinds(name: str) -> set[str]:
    return {link.kind for link in left_behind(console(), recorded(name).history)}


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("sensor-succeeded", {"object", "mail"}),
        ("images-failed", {"object", "message"}),
        ("messages-refused", {"message"}),
        ("looping", set()),
    ],
)
def test_what_a_run_left_behind(name: str, left: set[str]) -> None:
    assert kinds(name) == left


# -- Where the links lead -------------------------------------------------------------------------


def history_of(resource: str, sent: Any, output: Any = None, given: Any = None) -> History:
    """A run that called a service once."""
    arn = f"arn:aws:states:::{resource}"
    states = {"Call": {"Type": "Task", "Resource": arn, "End": True}}
    service, _, operation = resource.rpartition(":")
    called = {"resource": operation, "resourceType": service}
    events = Events()
    events("ExecutionStarted", input=json.dumps(given or {}))
    events("TaskStateEntered", name="Call", input="{}")
    events("TaskScheduled", parameters=json.dumps(sent), **called)
    events("TaskStarted", **called)
    events("TaskSucceeded", output=json.dumps(output or {}), **called)
    events("TaskStateExited", name="Call", output="{}")
    definition = parse(json.dumps({"StartAt": "Call", "States": states}))
    return History.of(definition, events.all)


def link_of(resource: str, sent: Any, output: Any = None, **more: Any) -> Link:
    found = left_behind(console(), history_of(resource, sent, output), **more)
    assert len(found) == 1
    return found[0]


def opened(link: Link) -> tuple[str, dict[str, str]]:
    """The page that a link opens, and its query."""
    assert link.href is not None
    found = urlsplit(link.href)
    return found.path, {name: value for name, (value,) in parse_qs(found.query).items()}


def test_an_object_of_the_stack_has_a_link_that_opens_it() -> None:
    sent = {"Bucket": "photos", "Key": "a b/ü?&=#/../é.png"}

    page = opened(link_of("aws-sdk:s3:putObject", sent))

    assert page == ("object", {"bucket": "photos", "object": sent["Key"]})


def test_an_object_of_a_result_has_a_link_to_its_version() -> None:
    result = {"bucket": "photos", "key": "cat.png", "versionId": "v1"}

    page = opened(link_of("lambda:invoke", {}, result))

    assert page == ("object", {"bucket": "photos", "object": "cat.png", "version": "v1"})


@pytest.mark.parametrize(
    ("resource", "sent"),
    [
        ("aws-sdk:s3:putObject", {"Bucket": "elsewhere", "Key": "k"}),
        ("dynamodb:updateItem", {"TableName": "elsewhere", "Key": {"id": {"S": "1"}}}),
        (
            "dynamodb:updateItem",
            {
                "TableName": f"arn:aws:dynamodb:{REGION}:999999999999:table/orders",
                "Key": {"id": {"S": "1"}},
            },
        ),
        ("sns:publish", {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:elsewhere"}),
        ("sns:publish", {"TopicArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:failed"}),
        ("sqs:sendMessage", {"QueueUrl": f"{QUEUE_URL}/elsewhere"}),
        ("sqs:sendMessage", {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/9/parcels"}),
        ("sqs:sendMessage", {"QueueUrl": "http:"}),
    ],
    ids=str,
)
def test_what_is_not_of_the_stack_is_only_named(resource: str, sent: Any) -> None:
    link = link_of(resource, sent)

    assert link.label
    assert link.href is None


@pytest.mark.parametrize("table", ["orders", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders"])
def test_an_item_that_was_updated_has_a_link_that_opens_it(table: str) -> None:
    key = {"id": {"S": "a/b ü"}, "number": {"N": "7"}}

    link = link_of("dynamodb:updateItem", {"TableName": table, "Key": key})

    page, query = opened(link)
    assert (page, query["table"], json.loads(query["item"])) == ("item", "orders", key)
    assert link.label == "orders id a/b ü, number 7"


def test_an_item_that_was_put_has_a_link_once_the_table_s_key_is_known() -> None:
    sent = {"TableName": "orders", "Item": {"id": {"S": "1"}, "text": {"S": "x"}}}
    history = history_of("dynamodb:putItem", sent)

    assert puts_items(history)
    assert link_of("dynamodb:putItem", sent).href is None
    link = link_of("dynamodb:putItem", sent, keys=TableKeys({"orders": ("id",)}))
    assert json.loads(opened(link)[1]["item"]) == {"id": {"S": "1"}}


@pytest.mark.parametrize(
    "resource", ["sqs:sendMessage", "aws-sdk:sqs:sendMessage"], ids=lambda one: one
)
def test_a_message_s_link_leads_to_its_queue_or_to_the_dead_letters(resource: str) -> None:
    fails = Connection("function/buy", "queue/returns", "fails")
    topology = Topology(connections=[fails])

    def of(queue: str, **more: Any) -> tuple[str, dict[str, str]]:
        return opened(link_of(resource, {"QueueUrl": f"{QUEUE_URL}/{queue}"}, **more))

    assert of("parcels", topology=topology) == ("architecture", {"part": "queue/parcels"})
    assert of("returns", topology=topology) == ("dead-letters", {"queue": "returns"})
    assert of("returns") == ("architecture", {"part": "queue/returns"})
    assert of("order-dead-letters")[0] == "dead-letters"


def test_a_message_s_link_leads_to_its_topic() -> None:
    link = link_of("sns:publish", {"TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:failed"})

    assert opened(link) == ("architecture", {"part": "topic/failed"})


def test_an_address_holds_no_secret() -> None:
    token = "AQC8AAAAKgAAAAMAAAAAAAAAAeTokenOfATask"
    secret_object = {"Bucket": "photos", "Key": f"answers/{token}"}
    secret_item = {"TableName": "orders", "Key": {"taskToken": {"S": "abc"}}}
    known = console()
    known.redaction.learn([token])

    (of_object,) = left_behind(known, history_of("aws-sdk:s3:putObject", secret_object))
    (of_item,) = left_behind(known, history_of("dynamodb:updateItem", secret_item))

    assert (of_object.href, of_item.href) == (None, None)
    assert "abc" not in of_item.label


def test_the_redaction_of_an_answer_leaves_addresses_as_they_are() -> None:
    links = [
        link_of("aws-sdk:s3:putObject", {"Bucket": "photos", "Key": "a key=1&secret.csv"}),
        link_of("dynamodb:updateItem", {"TableName": "orders", "Key": {"key": {"S": "code=1"}}}),
        link_of("sqs:sendMessage", {"QueueUrl": f"{QUEUE_URL}/parcels"}),
    ]

    for link in links:
        assert Redaction().clean(link.as_dict())["href"] == link.href


def test_an_id_has_no_slash() -> None:
    prefix = "arn:aws:states:eu-west-1:1:execution"

    assert run_id(f"{prefix}:machine:name") == "machine:name"
    assert run_id(f"{prefix}:machine/label:name") == "machine~label:name"


# -- What set it off ------------------------------------------------------------------------------

DESCRIBED = {
    "executionArn": "arn:aws:states:eu-west-1:123456789012:execution:shop-orders:x",
    "stateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:shop-orders",
    "input": '{"count": 3}',
}


def set_off(started_by: Any = None, given: str = DESCRIBED["input"]) -> list[Link]:
    described = DESCRIBED | {"input": given}
    return trigger(console(), described, RunLog(), Topology(), started_by)


def test_the_event_that_started_a_run_by_way_of_another_machine_is_named() -> None:
    entry = SimpleNamespace(id="e1", source="shop", type="ordered", at=7)
    event = Link("event", "shop · ordered", "events/e1", 7)

    assert set_off(entry) == [event]
    assert set_off(entry, '{"bucket": "b", "key": "k"}') == [Link("object", "s3://b/k"), event]


def test_what_set_a_run_off_may_be_unknown() -> None:
    assert set_off() == [Link("unknown", "StartExecution")]


def test_the_object_that_set_a_run_off_has_a_link_to_its_version() -> None:
    given = {"bucketName": "photos", "objectKey": "cat.png", "versionId": "v1"}

    (link,) = (one for one in set_off(None, json.dumps(given)) if one.kind == "object")

    assert opened(link)[1] == {"bucket": "photos", "object": "cat.png", "version": "v1"}
