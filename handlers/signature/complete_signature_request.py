"""Sign or decline in a signer's name, for callers that may invoke this function."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.clock import iso, now
from handlers.shared.errors import InvalidEventError
from handlers.shared.observability import logger_for, metrics_for
from handlers.shared.text import is_utf8, one_line
from handlers.signature.decision import DECISIONS, Completion, complete
from handlers.signature.errors import SignatureRequestNotFoundError
from handlers.signature.request import MAX_REASON, SignatureRequest, Status, document_id
from handlers.signature.store import RequestStore
from handlers.signature.web import REQUEST_ID

logger = logger_for("signature")
metrics = metrics_for("signature")
prepare("dynamodb", "stepfunctions")


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Event: {"requestId"} or {"documentId"}, and "decision"? (sign or decline), "reason"?.
    Result: {"outcome", "message"} and the fields of the request; for SEVERAL_PENDING {"outcome",
        "message", "documentId", "requestIds"}.
    Errors: InvalidEventError, InvalidDocumentIdError, SignatureRequestNotFoundError,
        AwsUnavailableError.

    A `documentId` selects the document's only pending request. The default of `decision` is "sign".
    `reason` is stored only with "decline".

    `outcome` is COMPLETED, ALREADY_FINISHED, TOO_LATE, UNDELIVERED (the decision is stored; the
    execution has not confirmed it) or SEVERAL_PENDING (nothing was done: choose one of
    `requestIds`). `message` explains it.
    """
    if not isinstance(event, Mapping):
        raise InvalidEventError("The event must be an object with a requestId or a documentId.")
    decision, reason = _decision(event), _reason(event)
    store = RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE"))
    candidates = _candidates(store, event)
    if len(candidates) > 1:
        return _several_pending(candidates)
    completion = complete(store, candidates[0], decision, reason)
    metrics.add_metric("SignaturesDecided", "Count", int(completion.decided_now))
    return _result(completion)


def _decision(event: Mapping[str, Any]) -> Status:
    chosen = event.get("decision", "sign")
    if not isinstance(chosen, str) or chosen not in DECISIONS:
        raise InvalidEventError("The decision must be sign or decline.")
    return DECISIONS[chosen]


def _reason(event: Mapping[str, Any]) -> str:
    reason = event.get("reason") or ""
    if not isinstance(reason, str) or len(reason) > MAX_REASON or not is_utf8(reason):
        raise InvalidEventError(f"The reason must be a string of at most {MAX_REASON} characters.")
    return reason.strip()


def _candidates(store: RequestStore, event: Mapping[str, Any]) -> list[SignatureRequest]:
    """The request to complete, or all pending ones if the caller must choose."""
    if request_id := event.get("requestId"):
        if not isinstance(request_id, str) or not REQUEST_ID.fullmatch(request_id):
            raise InvalidEventError("requestId must be 1 to 64 letters, digits and hyphens.")
        found = store.get(request_id)
        if found is None:
            raise SignatureRequestNotFoundError(
                f"There is no signature request {one_line(request_id, 100)}."
            )
        return [found]
    document = document_id(event)
    requests = store.of_document(document)
    if not requests:
        raise SignatureRequestNotFoundError(f"No signature is requested for document {document}.")
    pending = [request for request in requests if request.is_pending(now())]
    undelivered = [request for request in requests if request.is_open]
    return pending or undelivered[:1] or requests[:1]


def _several_pending(pending: list[SignatureRequest]) -> dict[str, Any]:
    document = pending[0].document_id
    return {
        "outcome": "SEVERAL_PENDING",
        "message": (
            f"{len(pending)} signatures are requested for document {document}: choose one with "
            "requestId."
        ),
        "documentId": document,
        "requestIds": [request.request_id for request in pending],
    }


def _result(completion: Completion) -> dict[str, Any]:
    request = completion.request
    signer, document = request.signer, request.document_id
    when = iso(request.finished_at or request.expires_at)
    summary = {
        Status.SIGNED: f"{signer} has signed document {document}.",
        Status.DECLINED: f"{signer} has declined to sign document {document}.",
        Status.EXPIRED: f"The time to sign document {document} was over at {when}.",
        Status.CANCELLED: f"Document {document} no longer needs {signer}'s signature.",
    }[request.status]
    if request.is_undelivered:
        outcome = "UNDELIVERED"
        message = (
            f"{summary} The decision is stored, but the execution has not confirmed it. It is sent "
            "again every few minutes; call this function again to send it now."
        )
    elif completion.decided_now:
        outcome, message = "COMPLETED", summary
    elif request.status is Status.EXPIRED:
        outcome, message = "TOO_LATE", f"{summary} The request has expired."
    else:
        outcome, message = "ALREADY_FINISHED", f"{summary} The request was finished at {when}."
    return {"outcome": outcome, "message": message} | request.public()
