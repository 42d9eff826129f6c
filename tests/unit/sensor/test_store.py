"""Storing readings in DynamoDB."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.sensor.errors import IngestionTimeoutError
from handlers.sensor.readings import Reading
from handlers.sensor.store import ReadingStore
from handlers.sensor.time_budget import TimeBudget
from tests.support.dynamodb_http import HttpTable
from tests.unit.fakes import FakeContext, client_error

from .fakes import FakeDynamoDB

readings = st.builds(
    Reading,
    st.text(min_size=1, max_size=10),
    st.integers(-(10**10), 10**11),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
)


def store(dynamodb: FakeDynamoDB, context: FakeContext | None = None) -> ReadingStore:
    time_budget = TimeBudget(context or FakeContext())
    table = HttpTable(dynamodb.batch_write_item)
    return ReadingStore("readings", time_budget, connect=table.connect, backoff=lambda _: 0.0)


@settings(deadline=None)
@given(st.lists(readings, max_size=60), st.sampled_from([0, 40]))
def test_every_reading_is_stored_as_it_is(rows: list[Reading], fault_percent: int) -> None:
    dynamodb = FakeDynamoDB(fault_percent=fault_percent)
    with store(dynamodb) as one:
        one.put([reading.row() for reading in rows])
    assert dynamodb.items == {(sensor, time): value for sensor, time, value in rows}


@settings(deadline=None)
@given(readings)
def test_an_item_is_what_boto3_would_send(reading: Reading) -> None:
    one = ReadingStore("readings", TimeBudget(FakeContext()))
    (put,) = json.loads(one.body([reading.row()]))["RequestItems"]["readings"]
    assert put["PutRequest"]["Item"] == {
        "sensor_id": {"S": reading.sensor_id},
        "timestamp": {"N": str(reading.timestamp)},
        "value": {"N": reading.value},
    }
    assert Decimal(put["PutRequest"]["Item"]["value"]["N"]) == Decimal(reading.value)


def test_an_exceeded_time_budget_is_an_error() -> None:
    context, dynamodb = FakeContext(), FakeDynamoDB()
    one = store(dynamodb, context)
    context.remaining_ms = 10_000
    with pytest.raises(IngestionTimeoutError), one:
        one.put([Reading("a", 1, "1").row()])
    assert dynamodb.requests == 0


def test_throttling_that_lasts_too_long_is_an_error() -> None:
    # Given a table that only throttles, and time that passes
    context, dynamodb = FakeContext(), FakeDynamoDB()

    def throttle() -> None:
        context.remaining_ms -= 50_000
        raise client_error("ThrottlingException")

    dynamodb.before_request = throttle
    with pytest.raises(IngestionTimeoutError), store(dynamodb, context) as one:
        one.put([Reading("a", 1, "1").row()])
    assert dynamodb.items == {}
