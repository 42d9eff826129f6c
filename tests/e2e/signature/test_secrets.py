"""Task tokens and codes: nowhere but in the table (codes hashed) and in links of Bob's mails."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from local import api
from local.aws import Deployment, until
from local.signing import Signing, request_id
from tests.support.own_links import SigningWithOwnLinks


@dataclass
class Traces:
    """Executions and responses of some documents, and the secrets that they must not contain."""

    signing: Signing
    executions: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    responses: list[str] = field(default_factory=list)
    codes: dict[str, str] = field(default_factory=dict)  # by the subject of the mail it is in
    tokens: list[str] = field(default_factory=list)
    begun: float = 0

    def sign(self, document: str, decision: str) -> None:
        signing = self.signing
        self.documents.append(document)
        self.executions.append(signing.start(document))
        link = signing.link(document)
        self._add_code(link, f"Please sign document {document}")
        self.tokens.append(item(signing.aws, link)["taskToken"]["S"])
        signing.aws.invoke("remindSigner", {"requestId": request_id(link)})
        (reminder,) = signing.links(document, "Reminder: please sign")[-1:]
        self._add_code(reminder, f"Reminder: please sign document {document}")
        wrong = f"{link[:-1]}{'a' if link[-1] != 'a' else 'b'}"
        self._add_responses(
            signing.open(link),
            signing.open(wrong),
            signing.decide(wrong, "sign"),
            signing.decide(link, "invalid"),
            api.call(signing.aws, "GET", "/signatures?status=pending&limit=1"),
            signing.decide(reminder, decision, "why not"),
            signing.decide(link, "sign"),
            signing.open(link),
        )
        signing.aws.wait_for_end(self.executions[-1])
        completed = signing.aws.invoke("completeSignatureRequest", {"documentId": document})
        self.responses.append(json.dumps(completed))
        for status in ("pending", "signed", "declined"):
            self._add_responses(api.call(signing.aws, "GET", f"/signatures?status={status}"))

    def _add_code(self, link: str, subject: str) -> None:
        self.codes[subject] = parse_qs(urlsplit(link).query)["code"][0]

    def _add_responses(self, *responses: api.Response) -> None:
        self.responses += [f"{dict(response.headers)}{response.text}" for response in responses]


def item(aws: Deployment, link: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("dynamodb").get_item(
        TableName=aws.outputs["SignatureRequestsTable"],
        Key={"requestId": {"S": request_id(link)}},
        ConsistentRead=True,
    )["Item"]
    return found


@pytest.fixture(scope="module")
def traces(aws: Deployment) -> Traces:
    found = Traces(Signing(aws) if aws.is_local else SigningWithOwnLinks(aws))
    found.begun = time.time() - 60
    for decision in ("sign", "decline"):
        found.sign(aws.name(), decision)
    return found


def logs(traces: Traces) -> Iterator[str]:
    """Every line since these documents were started, of all log groups of the stage."""
    aws = traces.signing.aws
    client = aws.client("logs")
    for group in aws.resources("AWS::Logs::LogGroup").values():
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(traces.begun * 1000)
        )
        yield from (event["message"] for page in pages for event in page["events"])


def executions(traces: Traces) -> Iterator[str]:
    for arn in traces.executions:
        yield json.dumps(traces.signing.aws.describe(arn), default=str)
        for event in traces.signing.aws.history(arn):
            # The parameters of a task have its token, and who may read the history may see it
            # (docs/operations.md, "Who may decide for Bob").
            event.get("taskScheduledEventDetails", {}).pop("parameters", None)
            yield json.dumps(event, default=str)


def table(traces: Traces, output: str) -> Iterator[str]:
    aws = traces.signing.aws
    pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=aws.outputs[output])
    yield from (json.dumps(page["Items"]) for page in pages)


def secrets_in(secrets: list[str], texts: Iterator[str] | list[str]) -> list[str]:
    texts = list(texts)
    assert texts, "there are no texts to search"
    return [secret for secret in secrets for text in texts if secret in text]


def test_the_secrets_are_found(traces: Traces) -> None:
    assert len(set(traces.codes.values())) == 4
    assert all(len(code) == 43 for code in traces.codes.values())  # 256 bits
    assert len(set(traces.tokens)) == 2


@pytest.mark.check("logs-without-tokens")
def test_logs_have_no_secrets(traces: Traces) -> None:
    secrets = [*traces.tokens, *traces.codes.values()]
    aws = traces.signing.aws
    until("the logs of both documents", lambda: logged_both(traces))

    assert secrets_in(secrets, logs(traces)) == []
    if aws.is_local:
        assert secrets_in(secrets, [aws.settings.log.read_text(errors="replace")]) == []


def logged_both(traces: Traces) -> bool:
    """Logs come late. The last lines of an execution are about its end."""
    lines = list(logs(traces))
    return all(any(name in line for line in lines) for name in traces.documents)


def test_api_responses_have_no_secrets(traces: Traces) -> None:
    assert secrets_in([*traces.tokens, *traces.codes.values()], traces.responses) == []


@pytest.mark.check("history-tokens", only_on_aws="local/gaps/task_parameters.py writes them")
def test_the_history_has_the_token(traces: Traces) -> None:
    """So the right to read histories is the right to decide (docs/security.md, "What remains")."""
    aws = traces.signing.aws
    parameters = [
        event.get("taskScheduledEventDetails", {}).get("parameters", "")
        for arn in traces.executions
        for event in aws.history(arn)
    ]

    assert [token for token in traces.tokens if not any(token in one for one in parameters)] == []


@pytest.mark.check("history-elsewhere", only_on_aws="its histories have fewer fields")
def test_executions_have_tokens_in_the_parameters_of_tasks_only(traces: Traces) -> None:
    assert secrets_in([*traces.tokens, *traces.codes.values()], executions(traces)) == []


def test_the_table_has_hashes_only_and_no_tokens_of_finished_requests(traces: Traces) -> None:
    assert (
        secrets_in(
            [*traces.tokens, *traces.codes.values()], table(traces, "SignatureRequestsTable")
        )
        == []
    )


def test_mails_have_no_tokens_and_each_code_is_in_one_link_to_bob(traces: Traces) -> None:
    mails = traces.signing.aws.mails()

    assert secrets_in(traces.tokens, [json.dumps(mail) for mail in mails]) == []
    for subject, code in traces.codes.items():
        (mail,) = [mail for mail in mails if code in json.dumps(mail)]
        assert (mail["To"], mail["Subject"]) == (["bob@example.com"], subject)
        assert mail["BodyText"].count(code) == 1
        assert f"?code={code}" in mail["BodyText"]
