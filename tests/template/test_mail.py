"""Who may send mail, and to whom."""

from typing import Any

import pytest

from tests.support.packaged import Package

# The variable of each function that has the address it sends to.
RECIPIENTS = {
    "sendEmail": "EMAIL_TO",
    "sendFailureEmail": "EMAIL_TO",
    "sendMoveFailureEmail": "EMAIL_TO",
    "requestDocumentSignature": "SIGNER_EMAIL",
    "remindSigner": "SIGNER_EMAIL",
    "announceUnsignedDocument": "OWNER_EMAIL",
}
LOG_ACTIONS = {f"dynamodb:{verb}Item" for verb in ("Put", "Update", "Delete")}


@pytest.fixture
def functions(package: Any) -> dict[str, tuple[dict[str, str], list[Any]]]:
    """Environment and statements of each function; in stage local all recipients differ."""
    local: Package = package("local")
    return {
        properties["FunctionName"].rpartition("-")[2]: (
            properties["Environment"]["Variables"],
            local.statements(local.role_of(properties)),
        )
        for properties in local.resources("AWS::Lambda::Function").values()
    }


def sending(statements: list[Any]) -> list[Any]:
    return [
        statement
        for statement in statements
        if any(action.startswith("ses:") for action in statement.actions)
    ]


def test_only_known_functions_may_send(functions: dict[str, Any]) -> None:
    allowed = {name for name, (_, statements) in functions.items() if sending(statements)}

    assert allowed == RECIPIENTS.keys()


@pytest.mark.parametrize(("function", "variable"), RECIPIENTS.items())
def test_mail_goes_from_one_address_to_one_address(
    functions: dict[str, Any], function: str, variable: str
) -> None:
    environment, statements = functions[function]
    (statement,) = sending(statements)

    assert statement.actions == ("ses:SendEmail",)
    assert statement.conditions == {
        "StringEquals": {"ses:FromAddress": environment["EMAIL_FROM"]},
        "ForAllValues:StringEquals": {"ses:Recipients": environment[variable]},
    }


@pytest.mark.parametrize("function", RECIPIENTS)
def test_mail_may_use_the_configuration_set_of_its_identity(
    functions: dict[str, Any], function: str
) -> None:
    """SES asks for both: https://github.com/aws/aws-cdk/issues/34402"""
    (statement,) = sending(functions[function][1])
    kinds = {resource.rpartition(":")[2] for resource in statement.resources}

    assert kinds == {"identity/*", "configuration-set/*"}


@pytest.mark.parametrize("function", RECIPIENTS)
def test_functions_that_send_may_write_the_mail_log(
    functions: dict[str, Any], function: str
) -> None:
    actions = {
        action
        for statement in functions[function][1]
        if "${EmailLogTable.Arn}" in statement.resources
        for action in statement.actions
    }

    assert actions == LOG_ACTIONS
