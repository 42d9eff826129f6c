"""The promises of the signature workflow: docs/workflows/signature.md, "When it fails"."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any
from urllib.parse import unquote

from faults.address import Call, Fault
from faults.kinds import Kind, Times
from faults.scenario import Scenario, Workflow, lasts
from faults.world import Mail, World

TABLE, MACHINE = "SignatureRequestsTable", "stepworks-local-signature"
DOCUMENT, OWNER = "3", "owner@example.com"
_THINKS = 60.0  # seconds until Bob opens his mail
_AT_ONCE = 0.1
_TRIES_AGAIN = 300.0  # seconds until Bob repeats what did not work
_PATIENCE = 5  # times that Bob tries
_DELIVERIES = 120.0  # SignatureDeliveries in resources.yml: rate(2 minutes)
_FIRST_HOURS = 3 * 3600.0  # later only what a fault delays is still going on
_FINALIZING = 1800.0  # after an execution's end; longer than FINALIZING_SECONDS
_AT_THE_END = 3 * 86_400.0
# What the execution's cause and the mail to the owner say about Bob, by the status in the table.
_SUMMARIES = {
    "SIGNED": "Bob signed",
    "DECLINED": "Bob declined",
    "EXPIRED": "Bob did not decide in time",
    "CANCELLED": "the request to Bob was cancelled",
}
_PAGES = {
    "SIGNED": "You signed document",
    "DECLINED": "You declined to sign document",
    "EXPIRED": "There is nothing to sign here",
    "CANCELLED": "no longer needs your signature",
}


class Bob:
    """A signer who opens the link of his mail and decides, or does not."""

    def __init__(self, world: World, decision: str | None, thinks: float) -> None:
        self._world = world
        self._decision = decision
        self._thinks = thinks
        self.request_id = self.code = ""
        self.pages: list[tuple[str, str]] = []  # what he did, and the heading that he saw

    def gets(self, mail: Mail) -> None:
        link = re.search(r"/signatures/([0-9a-f]+)\?code=([^\"&]+)", unescape(mail.body))
        if mail.recipient != "bob@example.com" or link is None:
            return
        is_first = not self.code
        self.request_id, self.code = link[1], unquote(link[2])
        if is_first and self._decision:
            self._world.timeline.after(self._thinks, lambda: self.opens("opened"))
            self._world.timeline.after(self._thinks * 1.1, self.decides)

    def opens(self, act: str) -> None:
        self._sends("showSignatureRequest", act, self._request())

    def decides(self) -> None:
        request = self._request() | {
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            "body": f"decision={self._decision}&reason=Page+2+is+wrong",
        }
        self._sends("decideSignatureRequest", "decided", request)

    def _sends(self, function: str, act: str, request: dict[str, Any]) -> None:
        self._world.deliveries.deliver(
            f"request:{function}", lambda: self._receives(function, act, request)
        )

    def _receives(self, function: str, act: str, request: dict[str, Any]) -> None:
        result = self._world.functions.invoke(function, request)
        status = 502 if result.error else result.payload["statusCode"]
        body = "" if result.error else result.payload["body"]
        heading = re.search("<h1>(.*?)</h1>", body)
        self.pages.append((act, f"{status} {unescape(heading[1]) if heading else ''}"))
        tries = [page for did, page in self.pages if did == "decided"]
        if act == "decided" and status in (502, 503) and len(tries) < _PATIENCE:
            self._world.timeline.after(_TRIES_AGAIN, self.decides)

    def _request(self) -> dict[str, Any]:
        return {
            "pathParameters": {"requestId": self.request_id},
            "queryStringParameters": {"code": self.code},
            "requestContext": {"requestId": "r"},
        }


def _asked(decision: str | None, thinks: float = _THINKS) -> Callable[[World], None]:
    """Bob is asked for his signature and decides, unless `decision` is None."""

    def begin(world: World) -> None:
        bob = Bob(world, decision, thinks)
        world.people = bob
        world.when_mailed = bob.gets
        world.start("SignatureStateMachine", {"documentId": DOCUMENT}, "one")
        world.timeline.after(_DELIVERIES, lambda: _deliver_decisions(world))
        world.timeline.after(_AT_THE_END, lambda: _look_back(world, bob))

    return begin


def _by_hand(decision: str, *, by_document: bool) -> Callable[[World], None]:
    """Somebody who may invoke functions decides in Bob's name."""

    def begin(world: World) -> None:
        _asked(None)(world)

        def completes(tries: int) -> None:
            named = (
                {"documentId": DOCUMENT}
                if by_document
                else {"requestId": world.people.request_id or "none"}
            )
            event = named | {"decision": decision}
            result = world.functions.invoke("completeSignatureRequest", event)
            if result.error and tries < _PATIENCE:
                world.timeline.after(_TRIES_AGAIN, lambda: completes(tries + 1))

        world.timeline.after(_THINKS, lambda: completes(1))

    return begin


def _deliver_decisions(world: World) -> None:
    """Every two minutes. Left out are runs that would find nothing, except for the first."""
    now, machines = world.timeline.now, world.machines
    is_first = world.timeline.elapsed < 1.5 * _DELIVERIES
    can_matter = any(
        execution.status == "RUNNING" or now - machines.ended_at[execution.exec_arn] < _FINALIZING
        for execution in machines.all_executions()
    )
    if is_first or (can_matter and any("undelivered" in item for item in world.items(TABLE))):
        world.functions.invoke("deliverDecisions", {})
    if world.timeline.elapsed < _AT_THE_END:
        pause = _DELIVERIES if world.timeline.elapsed < _FIRST_HOURS else 3600
        world.timeline.after(pause, lambda: _deliver_decisions(world))


def _look_back(world: World, bob: Bob) -> None:
    if bob.code:
        bob.opens("looked back")
    world.functions.invoke("listSignatureRequests", {"requestContext": {"requestId": "r"}})


def broken(world: World) -> Iterator[str]:
    """The promises that are broken."""
    executions = world.machines.executions(MACHINE)
    items = {item["execution"]["S"]: item for item in world.items(TABLE)}
    if not executions:
        yield "no execution was started"
    purposes = Counter(_purpose(mail) for mail in world.mails)
    for purpose, count in purposes.items():
        if count > len(executions):
            yield f"{count} mails {purpose}"
    asked = purposes["to ask Bob"]
    if asked < len(executions) and not lasts(world) and world.case.scenario != "mail refused":
        yield f"Bob was asked {asked} times by {len(executions)} executions"
    for execution in executions:
        yield from _broken_by(execution, items.get(execution.exec_arn), world)
    if len(executions) == 1:
        yield from _broken_by_pages(world, items.get(executions[0].exec_arn))
        yield from _broken_by_mails(world, executions[0])
    if not lasts(world):
        ended = {execution.error or execution.status for execution in executions}
        expected = {_EXPECTED[world.case.scenario]}
        if len(executions) > 1:  # Bob decides only for one of them
            expected.add("SignaturesNotCollectedError")
        if not ended <= expected and not _comes_too_late(world):
            yield f"it ended with {', '.join(sorted(ended))}"


def _broken_by(execution: Any, item: Any, world: World) -> Iterator[str]:
    """Execution and table have the same outcome."""
    ended = execution.error or execution.status
    status = item["status"]["S"] if item else None
    if ended == "SUCCEEDED":
        if status != "SIGNED":
            yield f"the execution succeeded, and the request is {status}"
        signers = [s["signer"] for s in execution.output["signatures"]]
        if signers != ["Alice", "Bob"]:
            yield f"the output has the signatures of {signers}"
        return
    if status in ("SIGNED", "DECLINED", "EXPIRED") and _SUMMARIES[status] not in execution.cause:
        yield f"the request is {status}, and the execution ended with: {execution.cause}"
    if status == "PENDING":
        yield f"the request is still pending, and the execution ended with {ended}"
    if item and "undelivered" in item:
        yield "the request is still undelivered"


def _broken_by_pages(world: World, item: Any) -> Iterator[str]:
    """What Bob has seen is what counts in the end."""
    status = item["status"]["S"] if item else ""
    for act, page in world.people.pages:
        if page.startswith(("502", "503")):
            continue
        if act == "looked back" and status and _PAGES.get(status, "?") not in page:
            yield f"the request is {status}, and Bob's page says: {page}"
        if act == "decided" and page.startswith("200") and _PAGES.get(status, "?") not in page:
            yield f"Bob read: {page}, and the request is {status}"


def _broken_by_mails(world: World, execution: Any) -> Iterator[str]:
    """The owner learns who is missing, and only then gets a mail."""
    to_owner = [mail for mail in world.mails if mail.recipient == OWNER]
    if execution.status == "SUCCEEDED" and to_owner:
        yield f"the document is signed, and the owner got a mail: {to_owner[0].subject}"
    must_know = execution.status == "FAILED" and world.case.scenario != "announcement refused"
    if must_know and not to_owner and not lasts(world):
        yield "the document is not signed, and the owner was not told"
    for mail in to_owner:
        for summary in (*_SUMMARIES.values(), "Alice signed", "Alice could not sign"):
            if (summary in unescape(mail.body)) != (summary in (execution.cause or "")):
                yield f"mail and cause differ about: {summary}"


def _purpose(mail: Mail) -> str:
    if mail.recipient == OWNER:
        return "to the owner"
    return "to remind Bob" if mail.subject.startswith("Reminder") else "to ask Bob"


def _comes_too_late(world: World) -> bool:
    """Bob's request, which a fault delays beyond his deadline."""
    return any(
        fault.call.is_delivery and fault.kind in (Kind.LATE, Kind.TOO_LATE)
        for fault in world.case.faults
    )


_EXPECTED = {
    "signed": "SUCCEEDED",
    "declined": "SignatureDeclinedError",
    "not decided": "SignaturesNotCollectedError",
    "Alice fails": "SignaturesNotCollectedError",
    "not delivered at once": "SUCCEEDED",
    "refusal not delivered at once": "SignatureDeclinedError",
    "delivered by the reminder": "SUCCEEDED",
    "refusal delivered by the reminder": "SignatureDeclinedError",
    "decided by hand": "SUCCEEDED",
    "declined by hand": "SignatureDeclinedError",
    "signed between two tries": "SUCCEEDED",
    "declined between two tries": "SignatureDeclinedError",
    "signed before Alice fails": "SignaturesNotCollectedError",
    "mail refused": "SignaturesNotCollectedError",
    "reminder refused": "SignaturesNotCollectedError",
    "announcement refused": "SignatureDeclinedError",
}


def _unavailable(caller: str, operation: str) -> tuple[Fault, ...]:
    return (Fault(Call(caller, 1, operation), Kind.UNAVAILABLE, Times.EVER),)


def _refused(function: str) -> tuple[Fault, ...]:
    return (Fault(Call(function, 1, "ses:SendEmail"), Kind.THROTTLED, Times.EVER),)


_ENDS_AFTER_MAIL = Fault(
    Call("requestDocumentSignature", 1, "dynamodb:UpdateItem", 2), Kind.KILLED_AFTER
)


def _scenario(
    name: str, begin: Callable[[World], None], given: tuple[Fault, ...] = (), *only: str
) -> Scenario:
    return Scenario(name, begin, given, only, periodic=("deliverDecisions",))


WORKFLOW = Workflow(
    "signature",
    (
        _scenario("signed", _asked("sign")),
        _scenario("declined", _asked("decline")),
        _scenario("not decided", _asked(None)),
        _scenario(
            "Alice fails", _asked(None), _unavailable("signature/Alice Signature", "lambda:Invoke")
        ),
        _scenario(
            "signed before Alice fails",
            _asked("sign", _AT_ONCE),
            _unavailable("signature/Alice Signature", "lambda:Invoke"),
            "cancelSignatureRequest",
        ),
        # The first attempt ends after it has sent the mail. The second one has a new task token.
        _scenario(
            "signed between two tries",
            _asked("sign", _AT_ONCE),
            (_ENDS_AFTER_MAIL,),
            "requestDocumentSignature",
        ),
        _scenario(
            "declined between two tries",
            _asked("decline", _AT_ONCE),
            (_ENDS_AFTER_MAIL,),
            "requestDocumentSignature",
        ),
        _scenario(
            "not delivered at once",
            _asked("sign"),
            _unavailable("decideSignatureRequest", "stepfunctions:SendTaskSuccess"),
            "deliverDecisions",
            "decideSignatureRequest",
            "finalizeSignatureRequest",
        ),
        _scenario(
            "refusal not delivered at once",
            _asked("decline"),
            _unavailable("decideSignatureRequest", "stepfunctions:SendTaskFailure"),
            "deliverDecisions",
        ),
        _scenario(
            "delivered by the reminder",
            _asked("sign"),
            _unavailable("decideSignatureRequest", "stepfunctions:SendTaskSuccess")
            + _unavailable("deliverDecisions", "dynamodb:Query"),
            "remindSigner",
        ),
        _scenario(
            "refusal delivered by the reminder",
            _asked("decline"),
            _unavailable("decideSignatureRequest", "stepfunctions:SendTaskFailure")
            + _unavailable("deliverDecisions", "dynamodb:Query"),
            "remindSigner",
        ),
        _scenario(
            "decided by hand", _by_hand("sign", by_document=True), (), "completeSignatureRequest"
        ),
        _scenario(
            "declined by hand",
            _by_hand("decline", by_document=False),
            (),
            "completeSignatureRequest",
        ),
        _scenario("mail refused", _asked(None), _refused("requestDocumentSignature")),
        _scenario("reminder refused", _asked(None), _refused("remindSigner"), "remindSigner"),
        _scenario(
            "announcement refused",
            _asked("decline"),
            _refused("announceUnsignedDocument"),
            "announceUnsignedDocument",
        ),
    ),
    broken,
)
