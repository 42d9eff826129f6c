"""Images into their table, with what DynamoDB does when it has too much to do."""

from typing import Any

import pytest

from handlers.images import image_table
from handlers.images.image_table import record
from handlers.shared.errors import AwsUnavailableError
from tests.unit.fakes import client_error


class FakeDynamoDB:
    """BatchWriteItem: refuses what DynamoDB refuses; takes at most `takes` of each request."""

    def __init__(self, takes: int = 25) -> None:
        self.takes = takes
        self.items: dict[str, dict[str, Any]] = {}
        self.requests = 0
        self.error: Exception | None = None

    def batch_write_item(self, RequestItems: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        self.requests += 1
        if self.error:
            raise self.error
        ((table, writes),) = RequestItems.items()
        keys = [write["PutRequest"]["Item"]["url"]["S"] for write in writes]
        assert 1 <= len(writes) <= 25
        assert len(set(keys)) == len(keys), "a key is twice in one request"
        for write in writes[: self.takes]:
            item = write["PutRequest"]["Item"]
            self.items[item["url"]["S"]] = item
        left = writes[self.takes :]
        return {"UnprocessedItems": {table: left} if left else {}}


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> FakeDynamoDB:
    fake = FakeDynamoDB()
    monkeypatch.setattr(image_table, "client", lambda _: fake)
    return fake


def image(number: int, size: int = 7) -> dict[str, Any]:
    return {
        "url": f"https://x/{number}",
        "statusCode": 200,
        "filename": f"x/{number}",
        "bytes": size,
        "contentType": "image/png",
        "downloadedAt": "2026-11-21T10:00:00Z",
    }


def no_pause(_: int) -> float:
    return 0


@pytest.mark.parametrize("count", [0, 1, 25, 26, 1000])
def test_every_image_is_an_item(dynamodb: FakeDynamoDB, count: int) -> None:
    assert record("images", map(image, range(count))) == count

    assert len(dynamodb.items) == count
    assert dynamodb.requests == -(-count // 25)


def test_an_item_has_what_the_table_promises(dynamodb: FakeDynamoDB) -> None:
    record("images", [image(1)])

    assert dynamodb.items["https://x/1"] == {
        "url": {"S": "https://x/1"},
        "filename": {"S": "x/1"},
        "bytes": {"N": "7"},
        "contentType": {"S": "image/png"},
        "downloadedAt": {"S": "2026-11-21T10:00:00Z"},
    }


def test_an_image_that_was_asked_for_twice_is_one_item(dynamodb: FakeDynamoDB) -> None:
    assert record("images", [image(1), image(2), image(1)]) == 2


def test_what_stays_unprocessed_is_sent_again(dynamodb: FakeDynamoDB) -> None:
    dynamodb.takes = 4

    assert record("images", map(image, range(60)), backoff=no_pause) == 60
    assert len(dynamodb.items) == 60


def test_throttling_that_does_not_end_is_for_the_machine_to_retry(dynamodb: FakeDynamoDB) -> None:
    dynamodb.takes = 0

    with pytest.raises(AwsUnavailableError, match="throttled"):
        record("images", [image(1)], backoff=no_pause)
    assert dynamodb.requests == 8


def test_an_error_is_what_it_is(dynamodb: FakeDynamoDB) -> None:
    dynamodb.error = client_error("ThrottlingException")
    with pytest.raises(AwsUnavailableError):
        record("images", [image(1)])

    dynamodb.error = client_error("ResourceNotFoundException")
    with pytest.raises(type(dynamodb.error)):
        record("images", [image(1)])


def test_pauses_grow_and_are_bounded() -> None:
    assert all(0 <= image_table.BACKOFF(attempt) <= 10 for attempt in range(20))
