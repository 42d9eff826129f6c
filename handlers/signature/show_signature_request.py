"""Show the page that a signer's link opens; this changes nothing."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared import settings
from handlers.shared.api import Response
from handlers.shared.clients import prepare
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.observability import logger_for
from handlers.signature import pages
from handlers.signature.request import Status
from handlers.signature.store import RequestStore
from handlers.signature.web import page, request_of

logger = logger_for("signature")
prepare("dynamodb")


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
def handler(event: dict[str, Any], context: LambdaContext) -> Response:
    """Event: API Gateway, path parameter `requestId`, query `code`.
    Result: response 200 with a page, 404 or 503.
    Errors: none of its own; a failure becomes a response.
    """
    try:
        request = request_of(RequestStore(settings.text("SIGNATURE_REQUESTS_TABLE")), event)
    except AwsUnavailableError:
        logger.exception("page not shown")
        return page(503, pages.unavailable())
    if request is None:
        return page(404, pages.not_found())
    if request.status is Status.PENDING:
        return page(200, pages.ask(request, settings.text("OWNER_EMAIL")))
    if request.is_undelivered:
        return page(200, pages.undelivered(request))
    return page(200, pages.decided(request, just_now=False))
