"""Connections between the parts of a stack, from what AWS's APIs return."""

import json
from typing import Any

import pytest

from console import topology
from console.aws import NotAllowedError
from console.definition import parse
from console.stack import Inventory, Machine, Resource
from console.topology import Connection, Names, Reader, Rule, Topology

AWS = "arn:aws"
WHERE = "us-east-1:000000000000"
LAMBDA = f"{AWS}:lambda:{WHERE}:function"
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/000000000000/shop-letters"
MACHINE = f"{AWS}:states:{WHERE}:stateMachine:shop-orders"


def inventory(**more: tuple[Resource, ...]) -> Inventory:
    def of(kind: str, *physical: str) -> tuple[Resource, ...]:
        return tuple(Resource(kind, one, one, one) for one in physical)

    return Inventory(
        "shop",
        "000000000000",
        {},
        (Machine("shop-orders", "orders", MACHINE, "STANDARD"),),
        {
            "function": of("function", "shop-check", "shop-pay"),
            "queue": of("queue", QUEUE_URL),
            "table": of("table", "shop-orders-table"),
            "bucket": of("bucket", "shop-files"),
            "topic": of("topic", f"{AWS}:sns:{WHERE}:shop-news"),
            "bus": of("bus", "shop-bus"),
        }
        | more,
    )


@pytest.fixture
def names() -> Names:
    return Names(inventory(), Topology())


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (f"{LAMBDA}:shop-check", "function/shop-check"),
        (f"{LAMBDA}:shop-check:live", "function/shop-check"),
        (f"{AWS}:sqs:{WHERE}:shop-letters", "queue/shop-letters"),
        (QUEUE_URL, "queue/shop-letters"),
        (f"{AWS}:dynamodb:{WHERE}:table/shop-orders-table/stream/2026", "table/shop-orders-table"),
        (f"{AWS}:s3:::shop-files/*", "bucket/shop-files"),
        (f"{AWS}:events:{WHERE}:event-bus/shop-bus", "bus/shop-bus"),
        (MACHINE, "machine/shop-orders"),
        (f"{LAMBDA}:somebody-elses", "function/somebody-elses"),
        (f"{AWS}:firehose:{WHERE}:deliverystream/log", "service/firehose log"),
        ("some text", None),
        ("https://example.com/000000000000", None),
    ],
)
def test_a_part_is_found_by_whatever_names_it(names: Names, text: str, part: str | None) -> None:
    assert names.of(text) == part


def test_only_whole_names_of_the_stacks_parts_are_mentions(names: Names) -> None:
    variables = {
        "TABLE": "shop-orders-table",
        "QUEUE": QUEUE_URL,
        "AGAIN": "shop-orders-table",
        "NOT": "shop-orders-table-2",
        "FOREIGN": f"{LAMBDA}:somebody-elses",
        "LIST": ["shop-files"],
    }

    assert list(names.mentioned(variables)) == [
        "table/shop-orders-table",
        "queue/shop-letters",
        "bucket/shop-files",
    ]


def task(resource: str, **sent: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "Parameters": sent, "End": True}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (task(f"{LAMBDA}:shop-pay"), [("function/shop-pay", "invokes", "Do")]),
        (
            task("arn:aws:states:::lambda:invoke", FunctionName=f"{LAMBDA}:shop-pay:$LATEST"),
            [("function/shop-pay", "invokes", "Do")],
        ),
        (
            task("arn:aws:states:::sqs:sendMessage", QueueUrl=QUEUE_URL),
            [("queue/shop-letters", "sends", "Do")],
        ),
        (
            task("arn:aws:states:::states:startExecution.sync:2", StateMachineArn=MACHINE),
            [("machine/shop-orders", "starts", "Do")],
        ),
        (
            task(
                "arn:aws:states:::events:putEvents",
                Entries=[{"DetailType": "paid", "EventBusName": "shop-bus"}, {"DetailType": "x"}],
            ),
            [("bus/shop-bus", "events", "Do: paid"), ("bus/default", "events", "Do: x")],
        ),
        (task("arn:aws:states:::lambda:invoke", **{"FunctionName.$": "$.which"}), []),
        (
            {
                "Type": "Map",
                "ItemReader": {"Parameters": {"Bucket": "shop-files"}},
                "ItemProcessor": {"StartAt": "A", "States": {"A": task(f"{LAMBDA}:shop-pay")}},
                "End": True,
            },
            [("bucket/shop-files", "sends", "Do"), ("function/shop-pay", "invokes", "A")],
        ),
    ],
    ids=["function", "invoke", "queue", "execution", "events", "known when it runs", "map"],
)
def test_what_states_call(
    names: Names, state: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    definition = parse({"StartAt": "Do", "States": {"Do": state}})

    found = list(topology.of_machine(names, "shop-orders", definition))

    assert [(one.target, one.kind, one.label) for one in found] == expected
    assert {one.source for one in found} <= {"machine/shop-orders"}
    assert all(one.node in definition.nodes for one in found)


def test_a_rule_has_a_bus_targets_and_dead_letters(names: Names) -> None:
    rule = Rule(
        "paid",
        "paid",
        "shop-bus",
        True,
        json.dumps({"detail-type": ["paid", "refunded"]}),
        None,
        (
            {
                "Arn": f"{LAMBDA}:shop-pay",
                "DeadLetterConfig": {"Arn": f"{AWS}:sqs:{WHERE}:shop-letters"},
            },
        ),
    )

    assert list(topology.of_rule(names, rule)) == [
        Connection("bus/shop-bus", "rule/shop-bus|paid", "events", "paid, refunded"),
        Connection("rule/shop-bus|paid", "function/shop-pay", "events"),
        Connection(
            "rule/shop-bus|paid", "queue/shop-letters", "fails", "events that reach no target"
        ),
    ]


def test_a_rule_with_a_schedule_hears_no_bus(names: Names) -> None:
    arn = {"Arn": f"{LAMBDA}:shop-pay"}
    rule = Rule("daily", "daily", "default", True, None, "every day", (arn,))

    assert list(topology.of_rule(names, rule)) == [
        Connection("rule/default|daily", "function/shop-pay", "events", "every day")
    ]


def test_a_buckets_notifications(names: Names) -> None:
    rules = [{"Name": "Prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".csv"}]
    found = {
        "LambdaFunctionConfigurations": [
            {
                "LambdaFunctionArn": f"{LAMBDA}:shop-check",
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": rules}},
            }
        ],
        "EventBridgeConfiguration": {},
    }

    assert [
        (one.target, one.kind, one.label) for one in topology.of_bucket(names, "shop-files", found)
    ] == [
        ("function/shop-check", "notifies", "ObjectCreated:* in/*.csv"),
        ("bus/default", "events", "Amazon S3's events"),
    ]


def test_an_apis_methods(names: Names) -> None:
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{LAMBDA}:shop-check"
    methods = [
        ("GET /orders", json.dumps({"uri": f"{uri}/invocations"})),
        ("POST /orders", json.dumps({"requestTemplates": f'"stateMachineArn": "{MACHINE}"'})),
        ("GET /mock", "{}"),
    ]

    assert [
        (one.target, one.kind, one.label) for one in topology.of_api(names, "api", methods)
    ] == [
        ("function/shop-check", "requests", "GET /orders"),
        ("machine/shop-orders", "starts", "POST /orders"),
    ]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("rate(5 minutes)", "every 5 minutes"),
        ("rate(1 hour)", "every hour"),
        ("cron(0 12 * * ? *)", "cron(0 12 * * ? *)"),
    ],
)
def test_schedules_read_as_words(expression: str, text: str) -> None:
    assert topology.schedule_text(expression) == text


class FakeAws:
    """Answers by service and operation; all else is not allowed."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def call(self, service: str, operation: str, **_: Any) -> Any:
        self.asked.append(operation)
        if operation not in self.answers:
            raise NotAllowedError(f"No permission for {service}:{operation}.", "Ask for it.")
        return self.answers[operation]

    def pages(self, service: str, operation: str, key: str, **arguments: Any) -> Any:
        return iter(self.call(service, operation, **arguments)[key])


def test_what_may_not_be_read_is_named_and_the_rest_is_shown() -> None:
    definition = {"StartAt": "Pay", "States": {"Pay": task(f"{LAMBDA}:shop-pay")}}
    aws: Any = FakeAws(describe_state_machine={"definition": json.dumps(definition)})

    found = Reader(aws).read(inventory())

    assert found.leading_to("function/shop-pay") == [
        Connection("machine/shop-orders", "function/shop-pay", "invokes", "Pay", "Pay")
    ]
    assert {problem["what"] for problem in found.problems} == {
        "event source mappings",
        "functions",
        "notifications of buckets",
        "queues",
        "subscriptions of topics",
    }
    assert found.parts["bucket/shop-files"].own


def test_only_functions_with_a_configuration_are_asked_for_destinations() -> None:
    config = Resource("invoke config", "Config", "shop-pay:$LATEST", "Config")
    aws: Any = FakeAws(
        list_function_event_invoke_configs={
            "FunctionEventInvokeConfigs": [
                {
                    "DestinationConfig": {
                        "OnFailure": {"Destination": f"{AWS}:sqs:{WHERE}:shop-letters"}
                    }
                }
            ]
        }
    )

    found = Reader(aws).read(inventory(**{"invoke config": (config,)}))

    assert aws.asked.count("list_function_event_invoke_configs") == 1
    assert found.from_("function/shop-pay") == [
        Connection("function/shop-pay", "queue/shop-letters", "fails", "invocations that failed")
    ]


OBSERVING = [
    Connection("bus/b", "rule/b|record", "events"),
    Connection("rule/b|record", "queue/events", "events"),
    Connection("rule/b|record", "queue/lost", "fails"),
    Connection("queue/events", "function/record", "reads"),
    Connection("queue/events", "queue/lost", "fails"),
    Connection("function/record", "table/log", "uses"),
]


def connected(*connections: Connection) -> Topology:
    parts = {
        end: topology.Part(end, end.partition("/")[0], end, end)
        for one in connections
        for end in (one.source, one.target)
    }
    return Topology(parts, list(connections))


def test_the_way_of_events_to_their_log_observes() -> None:
    found = topology.observers(connected(*OBSERVING), ["record"])

    assert found == {"function/record", "queue/events", "queue/lost", "rule/b|record"}


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (Connection("rule/b|record", "function/pay", "events"), "rule/b|record"),
        (Connection("queue/events", "function/pay", "reads"), "queue/events"),
        (Connection("function/pay", "queue/lost", "fails"), "queue/lost"),
    ],
    ids=["a rule with another target", "a queue with another reader", "another's dead letters"],
)
def test_what_also_serves_others_is_no_observer(more: Connection, part: str) -> None:
    assert part not in topology.observers(connected(*OBSERVING, more), ["record"])


def test_without_an_event_log_nothing_observes() -> None:
    assert topology.observers(connected(*OBSERVING), []) == set()
