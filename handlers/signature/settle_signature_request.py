"""Note in the table what the machine made of a request for a signature: that is final."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared.events import field
from handlers.shared.observability import logger_for
from handlers.shared.settings import required
from handlers.signature.request import Status, now
from handlers.signature.store import RequestStore

logger = logger_for("signature")


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """At least once. A request that was never stored needs no note."""
    request_id, outcome = field(event, "requestId"), Status(field(event, "outcome"))
    store = RequestStore(required("SIGNATURE_REQUESTS_TABLE"))
    settled = store.settle(request_id, outcome, now())
    logger.info("signature request settled", request_id=request_id, status=outcome)
    return {"requestId": request_id, "status": settled.status if settled else "NONE"}
