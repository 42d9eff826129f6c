"""Sign a document for a signer who signs automatically."""

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from handlers.shared.clock import now
from handlers.shared.events import field
from handlers.shared.observability import logger_for
from handlers.signature.request import document_id, signature_of

logger = logger_for("signature")

SIGNING_SECONDS = 1.0  # stands for the time that a real signing service takes


@logger.inject_lambda_context(correlation_id_path="execution")
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Event: {"execution", "documentId", "signer"}.
    Result: {"signer", "documentId", "signature", "signedAt"}.
    Errors: InvalidEventError, InvalidDocumentIdError.
    """
    document, signer = document_id(event), field(event, "signer")
    time.sleep(SIGNING_SECONDS)
    logger.info("document signed", document_id=document, signer=signer)
    return signature_of(signer, document, now())
