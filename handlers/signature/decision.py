"""A decision on a request: first stored, then sent to the machine. Every step can be repeated."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from botocore.exceptions import ClientError

from handlers.shared.clock import now
from handlers.shared.errors import AwsUnavailableError
from handlers.shared.observability import logger_for
from handlers.shared.task_tokens import Failure, Outcome, Success, send_callback
from handlers.shared.text import one_line
from handlers.signature.errors import SignatureDeclinedError, SignatureRequestCancelledError
from handlers.signature.request import MAX_REASON, SignatureRequest, Status, signature_of
from handlers.signature.store import RequestStore

logger = logger_for("signature")

MAX_WAIT_SECONDS = 5.0  # the machine records the outcome of a request in less time
POLL_SECONDS = 0.2
# After the deadline, the state `Finalize Signature Request` may still find the decision for this
# long.
FINALIZING_SECONDS = 900
NO_REASON = "no reason was given"
DECISIONS = {"sign": Status.SIGNED, "decline": Status.DECLINED}  # as callers and forms send them


@dataclass(frozen=True)
class Completion:
    """A request after an attempt to decide on it, and whether this call made the decision."""

    request: SignatureRequest
    decided_now: bool


def complete(
    store: RequestStore, request: SignatureRequest, decision: Status, reason: str = ""
) -> Completion:
    """Decide on a request; if it is decided already, deliver that decision if necessary.

    At least once: the decision is stored on condition that the request is pending, and only then
    sent to the machine. A second call finds it stored. If the machine may not have received it, the
    second call sends the stored decision, not its own. A decision that could not be sent, or that
    is not confirmed, leaves the request undelivered: `deliverDecisions` tries again.
    """
    reason = one_line(reason, MAX_REASON) if decision is Status.DECLINED else ""
    decided = store.decide(request.request_id, decision, reason, now())
    current = decided or store.get(request.request_id) or request
    if current.status is Status.PENDING:  # not decided, so its time is over
        current = store.expire(current, now()) or store.get(request.request_id) or current
    elif current.is_undelivered:
        current = _try_to_deliver(store, current)
    decided_now = decided is not None and current.status is decision
    logger.info(
        "signature request completed",
        request_id=current.request_id,
        execution=current.execution,
        status=current.status,
        delivered=not current.is_undelivered,
        decided_now=decided_now,
    )
    return Completion(current, decided_now)


def deliver(
    store: RequestStore, request: SignatureRequest, max_wait: float | None = None
) -> SignatureRequest:
    """Send the decision to the machine; returns the request in its new state.

    If no task waits for the token, there are three possible reasons: an earlier callback succeeded
    but its response was lost, the task is retried with a new token, or its time is over. The
    machine records in the table which one it is, so the table is read for up to `max_wait` seconds.
    If it does not change, the request stays undelivered, and expires FINALIZING_SECONDS after its
    deadline.
    """
    wait_until = time.monotonic() + (MAX_WAIT_SECONDS if max_wait is None else max_wait)
    while request.is_undelivered:
        if send_callback(request.task_token, _outcome(request)):
            return _mark_delivered(store, request)
        changed = _wait_for_change(store, request, wait_until)
        if changed is None:
            return _expire_if_overdue(store, request)
        request = changed
    return request


def deliver_all(
    store: RequestStore, before: float, has_time: Callable[[], bool]
) -> tuple[int, int]:
    """Deliver the decisions made before a time; returns how many are delivered and how many remain.

    A decision that cannot be delivered does not stop the others.
    """
    delivered = remaining = 0
    for request_id in store.undelivered(before):
        if not has_time():
            remaining += 1
            continue
        try:
            request = store.get(request_id)
        except AwsUnavailableError:
            logger.exception("decision not read", request_id=request_id)
            remaining += 1
            continue
        if request and request.is_undelivered:  # the index lags behind the table
            request = _try_to_deliver(store, request, max_wait=0)
            remaining += request.is_undelivered
            delivered += request.is_decided and not request.is_undelivered
    return delivered, remaining


def cancel(store: RequestStore, request: SignatureRequest, reason: str) -> SignatureRequest:
    """Withdraw a request, even if it is not sent yet, and fail the task that waits for it."""
    cancelled = store.cancel(request, reason, now())
    if cancelled is None:
        return store.get(request.request_id) or request
    if cancelled.task_token:
        send_callback(
            cancelled.task_token, Failure(SignatureRequestCancelledError.__name__, reason)
        )
    return cancelled


def withdraw(store: RequestStore, request_id: str, execution: str, reason: str) -> bool:
    """Withdraw the request of an execution that has ended; False if there was nothing to withdraw.

    No task waits for the decision any more, so there is no callback.
    """
    return store.withdraw(request_id, execution, reason, now()) is not None


def finalize(store: RequestStore, request_id: str, outcome: Status) -> SignatureRequest | None:
    """Make the outcome that the machine reports final; returns None if there is no request.

    A stored decision was made in time, even if the machine has not received it. Such a decision
    takes precedence over EXPIRED and CANCELLED: the signer's page has confirmed it.
    """
    if outcome not in (Status.EXPIRED, Status.CANCELLED):
        return store.finalize(request_id, outcome, now())
    return store.finalize_unless_decided(request_id, outcome, now()) or store.finalize_decision(
        request_id, now()
    )


def signature(request: SignatureRequest) -> dict[str, str]:
    """The signature of the request's signer."""
    return signature_of(request.signer, request.document_id, request.finished_at or now())


def _try_to_deliver(
    store: RequestStore, request: SignatureRequest, max_wait: float | None = None
) -> SignatureRequest:
    """The request after its delivery, or unchanged if it cannot be delivered now."""
    try:
        return deliver(store, request, max_wait)
    except (AwsUnavailableError, ClientError):
        logger.exception("decision stored, but not delivered", request_id=request.request_id)
        return request


def _mark_delivered(store: RequestStore, request: SignatureRequest) -> SignatureRequest:
    try:
        return store.mark_delivered(request) or store.get(request.request_id) or request
    except AwsUnavailableError:  # the machine has the decision and will record it
        logger.warning(
            "decision delivered, but not marked as delivered", request_id=request.request_id
        )
        return replace(request, delivered=True)


def _wait_for_change(
    store: RequestStore, request: SignatureRequest, wait_until: float
) -> SignatureRequest | None:
    """The request once its token or status changes, or None if that takes too long."""
    while True:
        current = store.get(request.request_id)
        if current is None:
            return None
        if not current.is_undelivered or current.task_token != request.task_token:
            return current
        if time.monotonic() >= wait_until:
            return None
        time.sleep(POLL_SECONDS)


def _expire_if_overdue(store: RequestStore, request: SignatureRequest) -> SignatureRequest:
    if now() < request.expires_at + FINALIZING_SECONDS:
        return request
    return store.expire(request, now()) or store.get(request.request_id) or request


def _outcome(request: SignatureRequest) -> Outcome:
    if request.status is Status.DECLINED:
        return Failure(SignatureDeclinedError.__name__, request.reason or NO_REASON)
    return Success(signature(request))
