"""A decision on a request: noted first, then told to the machine, and safe to repeat throughout."""

import time
from dataclasses import dataclass

from handlers.shared.observability import logger_for
from handlers.shared.task_tokens import Failure, Outcome, Success, answer
from handlers.signature.errors import SignatureDeclinedError, SignatureRequestCancelledError
from handlers.signature.request import SignatureRequest, Status, now, signature_of
from handlers.signature.store import RequestStore

logger = logger_for("signature")

PATIENCE_SECONDS = 5.0  # the machine takes less to note what has become of a request
PAUSE_SECONDS = 0.2
NO_REASON = "no reason was given"
DECISIONS = {"sign": Status.SIGNED, "decline": Status.DECLINED}  # as people say them


@dataclass(frozen=True)
class Completion:
    """A request after somebody tried to decide on it, and whether this very call decided it."""

    request: SignatureRequest
    decided_now: bool


def complete(
    store: RequestStore, request: SignatureRequest, decision: Status, reason: str = ""
) -> Completion:
    """Decide on a request, once; or finish what an earlier call began; or say what it is already.

    At least once: the decision is noted under the condition that the request is pending, and only
    then sent to the machine. Whoever comes second finds it noted: if the machine has not taken
    note yet (`settled`), the noted decision, not the new one, is sent again. A decision that the
    machine no longer waits for makes the request EXPIRED.
    """
    reason = reason if decision is Status.DECLINED else ""
    decided = store.decide(request.request_id, decision, reason, now())
    current = decided or store.get(request.request_id) or request
    if current.status is Status.PENDING:  # not decided, so its time is over
        current = store.expire(current, now()) or store.get(request.request_id) or current
    elif current.is_open:
        current = deliver(store, current)
    decided_now = decided is not None and current.status is decision
    logger.info(
        "signature request completed",
        request_id=current.request_id,
        execution=current.execution,
        status=current.status,
        decided_now=decided_now,
    )
    return Completion(current, decided_now)


def deliver(store: RequestStore, request: SignatureRequest) -> SignatureRequest:
    """Tell the machine what was decided; the request as it is afterwards.

    A token that nobody waits for proves nothing by itself: an earlier answer may have arrived
    although its sender never heard so, the task may be tried again with a new token, or its time
    may be over. The machine notes in the table which of them it was, so look there for a while.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while request.is_open:
        if answer(request.task_token, _outcome(request)):
            return request
        request = _wait_for_news(store, request, until)
    return request


def cancel(store: RequestStore, request: SignatureRequest, reason: str) -> SignatureRequest:
    """Withdraw a request, also before it was sent, and end the task that waits for its answer."""
    cancelled = store.cancel(request, reason, now())
    if cancelled is None:
        return store.get(request.request_id) or request
    if cancelled.task_token:
        answer(cancelled.task_token, Failure(SignatureRequestCancelledError.__name__, reason))
    return cancelled


def _wait_for_news(
    store: RequestStore, request: SignatureRequest, until: float
) -> SignatureRequest:
    while True:
        current = store.get(request.request_id) or request
        if not current.is_open or current.task_token != request.task_token:
            return current
        if time.monotonic() >= until:
            return store.expire(request, now()) or store.get(request.request_id) or request
        time.sleep(PAUSE_SECONDS)


def _outcome(request: SignatureRequest) -> Outcome:
    if request.status is Status.DECLINED:
        return Failure(SignatureDeclinedError.__name__, request.reason or NO_REASON)
    return Success(signature_of(request.signer, request.document_id, request.finished_at or now()))
