"""The kinds of fault, and which of them can happen to a call or to a delivery."""

from enum import StrEnum


class Kind(StrEnum):
    """What happens to a call to AWS, or to a delivery."""

    THROTTLED = "throttled"  # refused, because there are too many; no effect
    UNAVAILABLE = "unavailable"  # refused with a 500; no effect
    DENIED = "denied"  # refused, because access is denied; no effect
    LOST = "response lost"  # it takes effect, then the connection breaks
    DELAYED = "delayed"  # no response in time; it takes effect after the SDK has repeated it
    KILLED_BEFORE = "killed before"  # the process ends before the request is sent
    KILLED_AFTER = "killed after"  # the process ends after the request took effect
    SLOW = "slow"  # it takes effect after the time of its function, or of its state, is over
    TRUNCATED = "truncated"  # the body of the response ends early
    PARTLY = "partly"  # half of a batch takes effect; the response names the rest

    TWICE = "twice"  # delivered twice at the same time
    AGAIN = "again"  # delivered, and again after the execution has ended
    LATE = "late"  # delivered after the step has ended
    TOO_LATE = "too late"  # delivered after the execution has ended
    OVERTAKEN = "overtaken"  # delivered after the next one


class Times(StrEnum):
    """How long a fault lasts."""

    ONCE = "once"  # one HTTP request; the SDK may repeat it
    CALL = "all attempts"  # every HTTP request of one call
    EVER = "for ever"  # this call and all that follow, of the same function and operation


DELIVERY_KINDS = (Kind.TWICE, Kind.AGAIN, Kind.LATE, Kind.TOO_LATE, Kind.OVERTAKEN)
_READS = ("Get", "Head", "List", "Query", "Scan", "Describe", "BatchGet")
# After these there is no response that the caller could miss.
_KILLS = ((Kind.KILLED_BEFORE, Times.ONCE), (Kind.KILLED_BEFORE, Times.EVER))
_REFUSALS = tuple((kind, times) for kind in (Kind.THROTTLED, Kind.UNAVAILABLE) for times in Times)


def of_function_call(operation: str) -> tuple[tuple[Kind, Times], ...]:
    """What can happen to a call that a function makes. A read has no effect that could be late."""
    kinds = [*_REFUSALS, (Kind.DENIED, Times.EVER), *_KILLS]
    kinds += [(Kind.LOST, times) for times in Times]
    if operation in ("BatchWriteItem", "PutEvents"):
        kinds += [(Kind.PARTLY, Times.ONCE), (Kind.PARTLY, Times.EVER)]
    if operation == "GetObject":
        kinds += [(Kind.TRUNCATED, Times.ONCE), (Kind.TRUNCATED, Times.EVER)]
    if not operation.startswith(_READS):
        kinds += [
            (Kind.DELAYED, Times.ONCE),
            (Kind.KILLED_AFTER, Times.ONCE),
            (Kind.KILLED_AFTER, Times.EVER),
            (Kind.SLOW, Times.ONCE),
        ]
    return tuple(kinds)


def of_console_call(operation: str) -> tuple[tuple[Kind, Times], ...]:
    """What can happen to a call of the console. Nothing limits the time of its process."""
    return tuple(fault for fault in of_function_call(operation) if fault[0] is not Kind.SLOW)


def of_machine_call(operation: str) -> tuple[tuple[Kind, Times], ...]:
    """What can happen to a call that a machine makes itself: it sends one request for each try."""
    kinds = [
        (kind, times)
        for kind in (Kind.THROTTLED, Kind.UNAVAILABLE, Kind.LOST)
        for times in (Times.ONCE, Times.EVER)
    ]
    kinds += [(Kind.DENIED, Times.EVER)]
    if not operation.startswith(_READS):
        kinds += [(Kind.SLOW, Times.ONCE)]
    if operation == "Invoke":
        kinds += [*_KILLS, (Kind.KILLED_AFTER, Times.ONCE)]
    return tuple(kinds)
