"""The model of time and cost, and its tables in docs/scaling.md."""

import pytest

from bench.model import (
    CASES,
    GB,
    REFERENCE,
    Case,
    amount,
    dollars,
    duration,
    estimate,
    import_cost,
    measured_rates,
)
from tests.docs.pages import table


def test_a_large_file_takes_as_long_as_the_table_needs_to_accept_its_rows() -> None:
    result = estimate(Case(1 * GB, wcu=4_000), REFERENCE)

    assert result.seconds["Process Segments"] == pytest.approx(1e9 / 30 / 4_000)


def test_with_enough_write_capacity_the_functions_decide() -> None:
    fast = estimate(Case(1 * GB, wcu=1e9, sensors=10**9, concurrency=30), REFERENCE)
    slow = estimate(Case(1 * GB, wcu=1e9, sensors=10**9, concurrency=10), REFERENCE)

    assert fast.total_seconds < slow.total_seconds / 2


def test_a_single_sensor_is_limited_by_its_partition() -> None:
    assert Case(1 * GB, wcu=40_000, sensors=3).writes_per_second == 3_000


def test_rows_that_are_replaced_are_not_written() -> None:
    all_rows, half = (estimate(Case(1 * GB, replaced=share), REFERENCE) for share in (0, 0.5))

    assert half.cost["DynamoDB writes"] == pytest.approx(all_rows.cost["DynamoDB writes"] / 2)


def test_a_function_that_waits_for_write_capacity_is_billed() -> None:
    many, few = (estimate(Case(1 * GB, concurrency=n), REFERENCE) for n in (20, 2))

    assert many.cost["Lambda GB-seconds"] > 5 * few.cost["Lambda GB-seconds"]


def test_a_small_file_has_no_segments() -> None:
    assert "Process File" in estimate(Case(1_000_000), REFERENCE).seconds
    assert "Process Segments" in estimate(Case(1 * GB), REFERENCE).seconds


def test_the_rates_of_this_machine_are_measured() -> None:
    rates = measured_rates(2_000)

    assert rates.index > 0
    assert rates.reconcile > rates.index


def test_the_table_of_times_is_the_models() -> None:
    expected = []
    for name, case in CASES.items():
        result = estimate(case, REFERENCE)
        parts = [f"{case.segments:,}", f"{case.partitions:,}"] if case.segmented else ["–", "–"]
        storing = result.seconds.get("Process Segments") or result.seconds["Process File"]
        times = [duration(result.total_seconds), duration(storing)]
        expected.append([name, amount(case.rows), *parts, *times])

    assert table("docs/scaling.md", "file") == expected


def test_the_table_of_costs_is_the_models() -> None:
    expected = []
    for name, case in CASES.items():
        result = estimate(case, REFERENCE)
        costs = [*result.cost.values(), result.total_cost, import_cost(case)]
        expected.append([name, *map(dollars, costs)])

    assert table("docs/scaling.md", "USD") == expected
