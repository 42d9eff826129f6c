"""Reads the child executions of a distributed Map."""

from handlers.shared.clients import client
from handlers.shared.errors import translate_aws_errors

# Of all failed child executions. There are few, because the Map stops when the first one fails.
_MAX_LISTED = 100


def first_failure(execution: str) -> dict[str, str] | None:
    """Error and cause of the first child execution that failed; None if none did."""
    states = client("stepfunctions")
    with translate_aws_errors(f"looking for a failed segment of {execution}"):
        failed = [
            child
            for run in states.list_map_runs(executionArn=execution)["mapRuns"]
            for status in ("FAILED", "TIMED_OUT")
            for child in states.list_executions(
                mapRunArn=run["mapRunArn"], statusFilter=status, maxResults=_MAX_LISTED
            )["executions"]
        ]
        if not failed:
            return None
        first = min(failed, key=lambda child: child["stopDate"])
        described = states.describe_execution(executionArn=first["executionArn"])
    return {"Error": described.get("error", "unknown"), "Cause": described.get("cause", "")}
