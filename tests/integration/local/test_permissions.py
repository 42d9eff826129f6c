"""What policies are matched against."""

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from ministack.core import iam_actions, iam_evaluator

from local.gaps import permissions

MAIL = {
    "Action": ["SendEmail"],
    "Source": ["stepworks@example.com"],
    "Destination.ToAddresses.member.1": ["bob@example.com"],
    "Destination.ToAddresses.member.2": ["alice@example.com"],
    "Destination.BccAddresses.member.1": ["carol@example.com"],
}
SENT = ("ses", "POST", "/", {}, urlencode(MAIL, doseq=True).encode(), MAIL, "us-east-1", "1")

SCHEDULED = (
    "scheduler",
    "POST",
    "/schedules/one",
    {},
    b'{"GroupName": "ours"}',
    {},
    "eu-west-1",
    "1",
)


MAP_RUN = "arn:aws:states:us-east-1:1:mapRun:machine/Label:1"
LISTED = (
    "states",
    "POST",
    "/",
    {},
    json.dumps({"mapRunArn": MAP_RUN}).encode(),
    {},
    "us-east-1",
    "1",
)


def put_events(*sources: str) -> bytes:
    return json.dumps({"Entries": [{"Source": source} for source in sources]}).encode()


def test_a_mail_acts_on_the_identity_it_is_sent_from() -> None:
    assert permissions.resource(*SENT) == "arn:aws:ses:us-east-1:1:identity/stepworks@example.com"


def test_a_schedule_belongs_to_its_group() -> None:
    deleted = (
        "scheduler",
        "DELETE",
        "/schedules/one",
        {},
        b"",
        {"groupName": ["ours"]},
        "eu-west-1",
        "1",
    )

    for request in (SCHEDULED, deleted):
        assert permissions.resource(*request) == "arn:aws:scheduler:eu-west-1:1:schedule/ours/one"


def test_a_list_of_child_executions_acts_on_their_map_run() -> None:
    assert permissions.resource(*LISTED) == MAP_RUN


def test_a_mail_carries_its_sender_as_a_condition_key() -> None:
    keys = permissions.request_keys("ses", "ses:SendEmail", b"", MAIL)

    assert keys["ses:fromaddress"] == "stepworks@example.com"


def test_a_mail_carries_all_its_recipients_as_a_condition_key() -> None:
    keys = permissions.request_keys("ses", "ses:SendEmail", b"", MAIL)

    assert sorted(keys["ses:recipients"]) == [
        "alice@example.com",
        "bob@example.com",
        "carol@example.com",
    ]


@pytest.mark.parametrize(
    ("sources", "key"),
    [(["project"], "project"), (["project", "project"], "project"), (["a", "b"], "a,b")],
    ids=["one", "the same twice", "a foreign one among them"],
)
def test_events_carry_their_source_as_a_condition_key(sources: list[str], key: str) -> None:
    keys = permissions.request_keys("events", "events:PutEvents", put_events(*sources), {})

    assert keys["events:source"] == key


def test_this_machine_counts_as_tls() -> None:
    plain = SimpleNamespace(secure_transport=False)

    assert permissions.condition_key("aws:SecureTransport", plain) == "true"


def test_other_requests_are_matched_as_before() -> None:
    queue = ("sqs", "POST", "/1/queue", {}, b"", {"QueueUrl": ["x/1/queue"]}, "us-east-1", "1")
    context: Any = SimpleNamespace(region="us-east-1")

    assert permissions.resource(*queue) == iam_actions.extract_resource_arn(*queue)
    assert permissions.condition_key("aws:RequestedRegion", context) == "us-east-1"


def test_upstream_still_lacks_it() -> None:
    """When this fails, ministack knows it: what local/gaps/permissions.py does of it can go."""
    plain = SimpleNamespace(secure_transport=False)
    upstream = iam_actions.request_tag_context

    assert iam_actions.extract_resource_arn(*SENT) == "*"
    assert iam_actions.extract_resource_arn(*LISTED) == "*"
    assert "default" in iam_actions.extract_resource_arn(*SCHEDULED)
    known = upstream("ses", "ses:SendEmail", b"", MAIL)
    assert not {"ses:fromaddress", "ses:recipients"} & known.keys()
    assert "events:source" not in upstream("events", "events:PutEvents", put_events("a"), {})
    assert iam_evaluator._resolve_condition_key("aws:SecureTransport", plain) == "false"
