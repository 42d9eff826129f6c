"""A tenth of the cases of `make faults`, the same ones each time."""

from collections.abc import Iterator

import pytest

from faults import matrix, runner, stack
from faults.runner import Row
from faults.world import machinery

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def entered() -> Iterator[None]:
    with machinery():
        yield


@pytest.mark.parametrize(
    ("workflow", "scenario"),
    [
        pytest.param(workflow, scenario.name, id=f"{workflow}-{scenario.name}")
        for workflow in stack.WORKFLOWS
        for scenario in matrix.workflow(workflow).scenarios
    ],
)
def test_a_tenth_of_the_cases_keeps_every_promise(workflow: str, scenario: str) -> None:
    clean = runner.clean_run(workflow, scenario)

    rows: list[Row] = [runner.run(case) for case in runner.tenth(clean.cases)]

    assert clean.outcome.broken == ()
    assert clean.cases
    assert [(str(row.case), row.broken) for row in rows if row.verdict == "failed"] == []
