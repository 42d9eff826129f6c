"""Faults are injected where botocore's retries see them."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from moto import mock_aws

from handlers.shared.clients import client
from tests.support.faults import EVERY, Fault, Killed, Kind, injected
from tests.unit.fixtures import fresh_clients

__all__ = ["fresh_clients"]


@pytest.fixture
def table(fresh_clients: None) -> Iterator[str]:
    with mock_aws():
        client("dynamodb").create_table(
            TableName="counters",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
        yield "counters"


def count(table: str) -> None:
    client("dynamodb").update_item(
        TableName=table,
        Key={"id": {"S": "a"}},
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def counted(table: str) -> int:
    found: dict[str, Any] = client("dynamodb").get_item(TableName=table, Key={"id": {"S": "a"}})
    return int(found["Item"]["n"]["N"]) if "Item" in found else 0


def test_a_lost_response_is_that_of_a_request_which_took_effect(table: str) -> None:
    with injected(Fault(Kind.RESPONSE_LOST, "UpdateItem")) as network:
        count(table)

    assert network.calls == ["UpdateItem", "UpdateItem"]
    assert counted(table) == 2


def test_a_request_that_does_not_reach_aws_is_sent_again(table: str) -> None:
    with injected(Fault(Kind.NOT_REACHED, "UpdateItem")) as network:
        count(table)

    assert network.calls == ["UpdateItem", "UpdateItem"]
    assert counted(table) == 1


@pytest.mark.parametrize(
    ("kind", "error", "effects"),
    [
        (Kind.RESPONSE_LOST, ConnectionClosedError, 4),
        (Kind.NOT_REACHED, EndpointConnectionError, 0),
    ],
)
def test_retries_end(table: str, kind: Kind, error: type[Exception], effects: int) -> None:
    with injected(Fault(kind, "UpdateItem", times=EVERY)) as network, pytest.raises(error):
        count(table)

    assert len(network.calls) == 4
    assert counted(table) == effects


@pytest.mark.parametrize(("kind", "effects"), [(Kind.KILLED_BEFORE, 1), (Kind.KILLED_AFTER, 2)])
def test_a_killed_process_does_nothing_more(table: str, kind: Kind, effects: int) -> None:
    def count_three_times() -> None:
        for _ in range(3):
            count(table)

    with injected(Fault(kind, nth=2)) as network, pytest.raises(Killed):
        count_three_times()

    assert len(network.calls) == 2
    assert counted(table) == effects


def test_a_fault_that_no_call_triggers_fails_the_test(table: str) -> None:
    counting = injected(Fault(Kind.KILLED_BEFORE, "UpdateItem", nth=2))

    with (
        pytest.raises(AssertionError, match="UpdateItem-2 killed before was not reached"),
        counting,
    ):
        count(table)
