"""A tenth of the cases of `make faults`, the same ones each time."""

from collections.abc import Iterator

import pytest

from faults import runner, stack
from faults.runner import Row
from faults.world import machinery

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def entered() -> Iterator[None]:
    with machinery():
        yield


@pytest.mark.parametrize("workflow", stack.WORKFLOWS)
def test_a_tenth_of_the_cases_keeps_every_promise(workflow: str) -> None:
    clean = list(runner.clean_runs([workflow]))
    cases = runner.tenth(case for run in clean for case in run.cases)

    rows: list[Row] = [runner.run(case) for case in cases]

    assert [run.outcome for run in clean if run.outcome.broken] == []
    assert cases
    assert [(str(row.case), row.broken) for row in rows if row.verdict == "failed"] == []
