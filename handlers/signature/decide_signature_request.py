"""Take the decision that a signer makes on the page: to sign or to decline."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.api import Response
from handlers.shared.clients import prepare
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.observability import logger_for, metrics_for
from handlers.signature import pages
from handlers.signature.decision import DECISIONS, complete
from handlers.signature.request import Status
from handlers.signature.store import RequestStore
from handlers.signature.web import form, page, request_of

logger = logger_for("signature")
metrics = metrics_for("signature")
prepare("dynamodb", "stepfunctions")


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Event: API Gateway, path parameter `requestId`, query `code`, form `decision`, `reason`.
    Result: response 200 or 202 with a page, 400, 404 or 503.
    Errors: none of its own; a failure becomes a response.
    """
    store, fields = RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE")), form(event)
    try:
        request = request_of(store, event)
        if request is None:
            return page(404, pages.not_found())
        decision = DECISIONS.get(fields.get("decision", ""))
        if decision is None:
            return page(400, pages.no_decision())
        completion = complete(store, request, decision, fields.get("reason", ""))
    except AwsUnavailableError:
        logger.exception("decision not completed")
        return page(503, pages.unavailable())
    if completion.request.status is Status.EXPIRED:
        return page(404, pages.not_found())
    metrics.add_metric("SignaturesDecided", "Count", int(completion.decided_now))
    if completion.request.is_undelivered:  # stored, but not confirmed by the machine
        return page(202, pages.undelivered(completion.request))
    return page(200, pages.decided(completion.request, just_now=completion.decided_now))
