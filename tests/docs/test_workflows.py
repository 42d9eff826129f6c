"""docs/workflows/ says what the machines and the functions do."""

import pytest

from tests.docs.pages import page, section
from tests.support import asl
from tests.support.asl import ROOT, State
from tests.support.rules import STATES

SECTIONS = ["Run it by hand", "When it fails", "Parameters", "Limits"]
PAGES = sorted(path.stem for path in (ROOT / "docs/workflows").glob("*.md"))
# Machines that are part of another one's workflow.
PARTS = {"cookies-starter": "cookies", "task-finisher": "cookies"}


def page_of(machine: str) -> str:
    return f"docs/workflows/{PARTS.get(machine, machine)}.md"


def test_every_machine_has_a_page() -> None:
    assert sorted(set(asl.machines()) - set(PARTS)) == PAGES


@pytest.mark.parametrize("workflow", PAGES)
def test_a_page_has_a_graph_and_the_same_sections_as_the_others(workflow: str) -> None:
    name = page_of(workflow)

    assert "```mermaid\n" in page(name)
    assert all(section(name, heading).strip() for heading in SECTIONS)


@pytest.mark.parametrize(
    "state", [state for state in STATES if state.kind == "Task" and state.machine in PAGES], ids=str
)
def test_a_task_is_in_its_workflows_graph(state: State) -> None:
    graph = page(page_of(state.machine)).split("```mermaid\n")[1].split("```")[0]

    assert state.name in graph


@pytest.mark.parametrize("state", [state for state in STATES if "Error" in state.body], ids=str)
def test_an_error_that_ends_an_execution_is_explained(state: State) -> None:
    explained = section(page_of(state.machine), "When it fails")

    assert f"`{state.body['Error']}`" in explained


@pytest.mark.parametrize("workflow", PAGES)
def test_a_page_names_its_workflows_parameters(workflow: str) -> None:
    parameters = section(page_of(workflow), "Parameters")

    assert all(f"`{name}`" in parameters for name in documented_parameters(workflow))


def documented_parameters(workflow: str) -> list[str]:
    """The parameters that docs/configuration.md has for a workflow."""
    if f"\n### {workflow}\n" not in page("docs/configuration.md"):
        return []
    lines = section("docs/configuration.md", workflow).splitlines()
    return [line.split("`")[1] for line in lines if line.startswith("| `")]


def test_parameters_are_found() -> None:
    assert documented_parameters("sensor")[:2] == ["sensorWaitSeconds", "sensorLargeFileBytes"]
