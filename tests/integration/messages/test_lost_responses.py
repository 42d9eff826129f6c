"""The SDK repeats a request whose response was lost; what has taken effect does so once."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from handlers.messages.message import Record
from handlers.messages.publish_message import handler as publish
from handlers.messages.store import MessageStore
from handlers.shared import events
from handlers.shared.clients import client
from tests.support.faults import Fault, Kind, injected
from tests.unit.fakes import FakeContext
from tests.unit.fixtures import fresh_clients

__all__ = ["fresh_clients"]

RECORD = Record("e1", 1_735_689_600_000, {"text": "hello"})


@pytest.fixture(autouse=True)
def aws(fresh_clients: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BUS_NAME", "default")
    with mock_aws():
        client("dynamodb").create_table(
            TableName="messages",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "messageId", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "messageId", "KeyType": "HASH"}],
        )
        yield


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_record_written_by_this_call_is_new(lost: int) -> None:
    with injected(Fault(Kind.RESPONSE_LOST, "PutItem", times=lost)) as network:
        assert MessageStore(client("dynamodb"), "messages").record(RECORD) is True

    assert network.calls == ["PutItem"] * (lost + 1)


def test_a_record_written_by_another_call_is_not_new() -> None:
    store = MessageStore(client("dynamodb"), "messages")
    store.record(RECORD)
    (before,) = client("dynamodb").scan(TableName="messages")["Items"]

    with injected(Fault(Kind.RESPONSE_LOST, "PutItem")):
        assert store.record(RECORD) is False
    assert client("dynamodb").scan(TableName="messages")["Items"] == [before]


def test_a_message_whose_response_is_lost_is_put_once_and_returns_503() -> None:
    request = {"body": '{"message": {}}', "requestContext": {"requestId": "r"}}

    with injected(Fault(Kind.RESPONSE_LOST, "PutEvents")) as network:
        response = publish(request, FakeContext())

    assert network.calls == ["PutEvents"]
    assert response["statusCode"] == 503


def test_a_put_without_once_is_repeated() -> None:
    with injected(Fault(Kind.RESPONSE_LOST, "PutEvents")) as network:
        (event_id,) = events.put_events("default", [events.Event("project", "start", {})])

    assert event_id
    assert network.calls == ["PutEvents", "PutEvents"]
