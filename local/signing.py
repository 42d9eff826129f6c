"""The signature workflow as users see it: documents, mails, links and pages."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from local import api
from local.aws import Deployment, until
from local.errors import LocalError

COMPLETING_FUNCTIONS = (  # the functions that complete the machine's tasks
    "requestDocumentSignature",
    "cancelSignatureRequest",
    "completeSignatureRequest",
    "decideSignatureRequest",
    "deliverDecisions",
    "remindSigner",
)
FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


class Signing:
    """Documents to sign on one deployment."""

    def __init__(self, aws: Deployment) -> None:
        self.aws = aws
        self.machine = aws.outputs["SignatureStateMachineArn"]

    # -- Requesting signatures ------------------------------------------------------------------

    def start(self, document: str | int) -> str:
        """Ask for the signatures of a document through the API. Returns the execution's ARN."""
        response = api.call(self.aws, "POST", "/documents", {"documentId": document})
        if response.status != 200:
            raise LocalError(f"POST /documents returned {response.status}: {response.text}")
        return str(response.json["executionArn"])

    def requests(self, status: str, document: str) -> list[dict[str, Any]]:
        """The requests for a document that have this status, from all pages of the list."""
        found, query = [], {"status": status}
        while True:
            response = api.call(self.aws, "GET", f"/signatures?{urlencode(query)}").json
            found += [item for item in response["requests"] if item["documentId"] == document]
            if "nextToken" not in response:
                return found
            query["nextToken"] = response["nextToken"]

    # -- Signing ----------------------------------------------------------------------------------

    def links(self, document: str, subject: str = "Please sign") -> list[str]:
        """The links in the mails about a document that have arrived so far."""
        return [
            link[0]
            for mail in self.aws.mails(f"{subject} document {document}")
            if mail["Subject"] == f"{subject} document {document}"
            and (link := re.search(r"https?://\S+\?code=\S+", mail["BodyText"]))
        ]

    def link(self, document: str, count: int = 1) -> str:
        """The link in the first mail about a document, once there are `count` of them."""

        def mailed() -> list[str] | None:
            found = self.links(document)
            return found if len(found) >= count else None

        return until(f"{count} mail(s) about document {document}", mailed)[0]

    def open(self, link: str) -> api.Response:
        """The response when a browser follows a link."""
        return api.call(self.aws, "GET", self._path(link), credentials=None)

    def decide(self, link: str, decision: str, reason: str = "") -> api.Response:
        """The response when a browser presses a button on the page of a link."""
        fields = {"decision": decision} | ({"reason": reason} if reason else {})
        return api.call(
            self.aws,
            "POST",
            self._path(link),
            urlencode(fields),
            credentials=None,
            headers=FORM_HEADERS,
        )

    def _path(self, link: str) -> str:
        return link.removeprefix(self.aws.outputs["ApiUrl"])

    # -- A shorter timeout -----------------------------------------------------------------------

    @contextmanager
    def machine_with_timeout(self, seconds: int) -> Iterator[str]:
        """A copy of the deployed machine that waits only this many seconds. Yields its ARN."""
        states = self.aws.client("stepfunctions")
        deployed = states.describe_state_machine(stateMachineArn=self.machine)
        definition = json.loads(deployed["definition"])
        for branch in definition["States"]["Gather Signatures"]["Branches"]:
            for state in branch["States"].values():
                if state.get("Resource", "").endswith(".waitForTaskToken"):
                    state["TimeoutSeconds"] = seconds
                    state["Parameters"]["Payload"]["timeoutSeconds"] = seconds
        name = self.aws.name()
        copy = states.create_state_machine(
            name=name, definition=json.dumps(definition), roleArn=deployed["roleArn"]
        )["stateMachineArn"]
        try:
            with self._allow_callbacks(copy, name):
                yield copy
        finally:
            states.delete_state_machine(stateMachineArn=copy)

    @contextmanager
    def _allow_callbacks(self, machine: str, policy: str) -> Iterator[None]:
        """Let our functions complete another machine's tasks, not only the deployed one's."""
        iam = self.aws.client("iam")
        statement = {
            "Effect": "Allow",
            "Action": ["states:SendTaskSuccess", "states:SendTaskFailure"],
            "Resource": machine,
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        roles = [self._role(function) for function in COMPLETING_FUNCTIONS]
        for role in roles:
            iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=document)
        try:
            yield
        finally:
            for role in roles:
                iam.delete_role_policy(RoleName=role, PolicyName=policy)

    def _role(self, function: str) -> str:
        configuration = self.aws.client("lambda").get_function_configuration(
            FunctionName=self.aws.function_name(function)
        )
        return str(configuration["Role"].rpartition("/")[2])

    def start_on(self, machine: str, document: str | int) -> str:
        """Start an execution without the API."""
        return str(
            self.aws.client("stepfunctions").start_execution(
                stateMachineArn=machine, input=json.dumps({"documentId": document})
            )["executionArn"]
        )


def request_id(link: str) -> str:
    return urlsplit(link).path.rpartition("/")[2]
