"""Ask a signer by mail and return; the task keeps waiting for the decision."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.clients import prepare
from handlers.shared.clock import from_iso
from handlers.shared.events import field
from handlers.shared.observability import logger_for, metrics_for
from handlers.signature.codes import hash_of, new_code
from handlers.signature.decision import deliver
from handlers.signature.errors import SignatureRequestCancelledError
from handlers.signature.invitation import invite
from handlers.signature.reminder import schedule
from handlers.signature.request import SignatureRequest, document_id
from handlers.signature.store import RequestStore

logger = logger_for("signature")
metrics = metrics_for("signature")
prepare("dynamodb", "scheduler", "ses")


@logger.inject_lambda_context(correlation_id_path="execution")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Event: {"execution", "enteredAt", "timeoutSeconds", "taskToken", "requestId", "documentId",
        "signer", "apiUrl", "reminder": {"functionArn", "roleArn", "failureQueueArn"}}.
    Result: {"requestId"}.
    Errors: InvalidEventError, InvalidDocumentIdError, SignatureRequestCancelledError,
        AwsUnavailableError, AwsRequestRefusedError if SES refuses it.

    Safe to repeat: a retry of the task stores its new token, but creates no second request.
    """
    code = new_code()
    request = _request(event, code)
    store = RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE"))
    stored = store.open(request) or store.exchange_token(request)
    if stored is None:
        raise SignatureRequestCancelledError
    if stored.is_decided:  # through the link in an earlier attempt's mail
        deliver(store, stored)
        return {"requestId": stored.request_id}
    schedule(stored, field(event, "reminder"))
    mail = invite(stored, code)
    metrics.add_metric("SignaturesRequested", "Count", 1)
    logger.info("signature requested", request_id=stored.request_id, mail=mail["status"])
    return {"requestId": stored.request_id}


def _request(event: dict[str, Any], code: str) -> SignatureRequest:
    entered_at = from_iso(field(event, "enteredAt")).timestamp()
    request_id = field(event, "requestId")
    return SignatureRequest(
        request_id=request_id,
        document_id=document_id(event),
        signer=field(event, "signer"),
        execution=field(event, "execution"),
        requested_at=entered_at,
        expires_at=entered_at + float(field(event, "timeoutSeconds")),
        page_url=f"{field(event, 'apiUrl')}/signatures/{request_id}",
        task_token=field(event, "taskToken"),
        code_hashes=frozenset({hash_of(code)}),
    )
