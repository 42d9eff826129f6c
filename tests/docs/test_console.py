"""docs/console.md lists the permissions that the console uses, and its pages."""

import re

import botocore.session
from botocore import xform_name

from tests.docs.pages import page, section
from tests.support.documented import ROOT

PAGE = "docs/console.md"
CALL = re.compile(r'"([a-z0-9]+)",\s*"([a-z_0-9]+)"')
METHOD = re.compile(r"(?:_sqs|states|_clients\(\"(\w+)\"\))\s*\.\s*([a-z_]+)\(")
# Where IAM's name for an action is not the API's.
NAMED = {
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:HeadObject": "s3:GetObject",
}
PREFIX = {"stepfunctions": "states", "apigatewayv2": "apigateway"}
# Called by a name that is in a variable.
BY_VARIABLE = {"states:SendTaskSuccess", "states:SendTaskFailure"}
BY_PARAMETER = {"s3:GetObjectVersion"}  # GetObject, with a version


def actions(service: str, operation: str) -> set[str]:
    """IAM's name of what a method of a client does; none if the client has no such method."""
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return set()
    operations = session.get_service_model(service).operation_names
    found = {
        f"{PREFIX.get(service, service)}:{one}"
        for one in operations
        if xform_name(one) == operation
    }
    if "apigateway" in service and found:
        return {"apigateway:GET"}
    return {NAMED.get(action, action) for action in found}


def used() -> set[str]:
    """Every action that the code of the console calls, that of ops/ for dead letters included."""
    found = BY_VARIABLE | BY_PARAMETER
    for path in (*(ROOT / "console").glob("*.py"), ROOT / "ops/dead_letters.py"):
        for service, operation in CALL.findall(path.read_text()):
            found |= actions(service, operation)
    for service, operation in METHOD.findall((ROOT / "ops/dead_letters.py").read_text()):
        for client in [service] if service else ("sqs", "stepfunctions"):
            found |= actions(client, operation)
    return found


def test_it_lists_the_actions_that_the_console_uses() -> None:
    listed = set(re.findall(r"`([a-z0-9]+:[A-Za-z]+)`", section(PAGE, "Permissions")))

    assert listed == used()


def test_it_describes_every_page() -> None:
    pages = re.findall(r'title: "([^"]+)"', (ROOT / "console/page/pages.js").read_text())

    assert len(pages) == 7
    assert all(f"| {title} |" in page(PAGE) for title in pages)
