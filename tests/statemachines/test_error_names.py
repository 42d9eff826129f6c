"""statemachines/error-names.yml: every name has a source and a use."""

import re

import pytest
from botocore.session import get_session

from tests.support import error_names
from tests.support.rules import STATES

NAMES = [
    pytest.param(integration, name, source, id=name)
    for integration, group in error_names.listed().items()
    for names in group.values()
    for name, source in names.items()
]
# What the names of an integration begin with.
PREFIXES = {
    "any": "States",
    "lambda:invoke": "Lambda|Runtime|Sandbox",
    "sns:publish": "SNS",
    "sqs:sendMessage": "SQS",
    "events:putEvents": "EventBridge",
    "dynamodb:getItem": "DynamoDB",
    "aws-sdk:sfn": "Sfn",
}
every_name = pytest.mark.parametrize(("integration", "name", "source"), NAMES)


def test_names_are_transient_or_permanent_and_of_integrations_that_are_used() -> None:
    used = {state.integration for state in STATES if state.kind == "Task"}

    assert set(error_names.listed()) == {"any", *used}
    assert {kind for group in error_names.listed().values() for kind in group} == {
        "transient",
        "permanent",
    }


@every_name
def test_a_name_is_one_of_its_integration(integration: str, name: str, source: str) -> None:
    assert re.fullmatch(rf"({PREFIXES[integration]})\.[A-Za-z]+", name)


@every_name
def test_a_name_has_a_source(integration: str, name: str, source: str) -> None:
    assert re.match(r"https://(docs\.aws\.amazon\.com|github\.com)/|botocore ", source)


@pytest.mark.parametrize(
    ("integration", "name", "source"),
    [name for name in NAMES if str(name.values[2]).startswith("botocore ")],
)
def test_a_name_that_comes_from_botocores_model_is_there(
    integration: str, name: str, source: str
) -> None:
    _, service, exception = source.split()
    known = {shape.name for shape in get_session().get_service_model(service).error_shapes}

    assert exception in known
    assert name.partition(".")[2] == exception.removesuffix("Exception") + "Exception"


@every_name
def test_a_name_is_used(integration: str, name: str, source: str) -> None:
    """So that the list has only names that some machine relies on."""
    users = [state for state in STATES if integration in ("any", state.integration)]

    assert any(name in error_names.retried(user) | error_names.caught(user) for user in users)
