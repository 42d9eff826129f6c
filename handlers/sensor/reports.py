"""The content of the mails about a file, as text and as HTML."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import Any

from handlers.sensor.file_locations import FileLocations
from handlers.sensor.source import ObjectRef
from handlers.shared import settings
from handlers.shared.clock import iso
from handlers.shared.events import field
from handlers.shared.mail import Mail, send_once
from handlers.shared.observability import logger_for
from handlers.shared.text import one_line

logger = logger_for("sensor")

_MAX_CAUSE = 1000  # characters of a cause, which may be a stack trace
_MAX_FACT = 3000  # characters; enough for a key of 1,024 and a cause

# By error name: what happened, for the person who uploaded the file.
_TIMED_OUT = "A processing step took too long."
_INTERRUPTED = "A processing step was interrupted. It may have run out of time or memory."
_EXPLANATIONS = {
    "SourceObjectMissingError": "The file no longer exists.",
    "SourceObjectChangedError": "A newer upload has replaced the file.",
    "SourceAccessDeniedError": "This service is not allowed to read the file.",
    "NoValidReadingsError": "The file has no valid reading.",
    "IngestionTimeoutError": (
        "The file was not stored within the time limit: it is too large, or DynamoDB throttles."
    ),
    "CopyVerificationError": "The copy of the file differed from the file.",
    "AwsUnavailableError": "An AWS service was unavailable, even after several attempts.",
    "Lambda.Unknown": _INTERRUPTED,
    "Runtime.ExitError": _INTERRUPTED,
    "Runtime.OutOfMemory": "A processing step ran out of memory.",
    "Sandbox.Timedout": _TIMED_OUT,
    "States.Timeout": _TIMED_OUT,
}
_UNEXPECTED = "An unexpected error occurred."
# By error name: what to do about a file that was not processed.
_ADVICE = {
    "SourceObjectMissingError": "If you did not delete the file, upload it again.",
    "SourceObjectChangedError": (
        "Nothing, if you want to keep the newer upload: it is processed separately."
    ),
    "SourceAccessDeniedError": (
        "Check the permissions on the bucket and on the KMS key that encrypts the file."
    ),
    "NoValidReadingsError": (
        "Each row should be <SENSOR_UID>,<TIMESTAMP>,<VALUE>, the time in whole seconds since "
        "1970. Correct the rows and upload the file again."
    ),
    "IngestionTimeoutError": "Split the file and upload the parts.",
}
_DEFAULT_ADVICE = "Upload the file again. If it fails again, contact the operator of this service."
# By error name: which readings are stored, for errors after which this is known; None leaves the
# line out. Other errors may occur after some readings are stored.
_STORED_READINGS = {
    "NoValidReadingsError": "none",
    "SourceObjectMissingError": None,
    "SourceObjectChangedError": None,
    "SourceAccessDeniedError": None,
}
_UNKNOWN_READINGS = "unknown, some may be stored. Storing them again is safe."


@dataclass(frozen=True)
class Report:
    """A mail about a file, not yet formatted as text or HTML."""

    subject: str
    summary: str
    facts: Mapping[str, str]
    advice: str = ""

    def text(self) -> str:
        facts = "\n".join(f"{name}: {_fact(value)}" for name, value in self.facts.items())
        return "\n\n".join(filter(None, (_fact(self.summary), facts, self.advice))) + "\n"

    def html(self) -> str:
        rows = "".join(
            f'<tr><th align="left">{escape(name)}</th><td>{escape(_fact(value))}</td></tr>'
            for name, value in self.facts.items()
        )
        advice = f"<p>{escape(self.advice)}</p>" if self.advice else ""
        return (
            f"<!doctype html><html><body><p>{escape(_fact(self.summary))}</p>"
            f'<table cellpadding="4">{rows}</table>{advice}</body></html>'
        )


def send(report: Report, event: Mapping[str, Any]) -> dict[str, str]:
    """Send a report at most once for an execution (see `send_once`)."""
    mail = Mail(
        sender=settings.text("EMAIL_FROM"),
        recipient=settings.text("EMAIL_TO"),
        subject=report.subject,
        text=report.text(),
        html=report.html(),
    )
    # If the function is invoked by hand, there is no execution: the object identifies the mail.
    origin = event.get("execution") or repr(ObjectRef.from_event(event))
    outcome = send_once(mail, key=f"{report.subject}#{origin}", execution=event.get("execution"))
    logger.info("outcome of the mail", subject=report.subject, outcome=outcome)
    return outcome


def processed_report(event: Mapping[str, Any]) -> Report:
    """The report on a processed file: where it is and what was stored."""
    source = ObjectRef.from_event(event)
    ingestion, moved = field(event, "ingestion"), field(event, "moved")
    return Report(
        subject="File processed",
        summary=f"{source.key} was processed.",
        facts={
            "File": source.key,
            "Location": ObjectRef.from_dict(moved).uri,
            **_counts(ingestion, moved["bucketName"]),
            "Sensors": str(ingestion["sensors"]),
            "First reading": iso(ingestion["firstTimestamp"]),
            "Last reading": iso(ingestion["lastTimestamp"]),
            "Time taken": f"{ingestion['seconds']} s",
        },
    )


def failure_report(event: Mapping[str, Any], locations: FileLocations) -> Report:
    """The report on a file that could not be processed: why, where it is, and what to do."""
    source = ObjectRef.from_event(event)
    failure = field(event, "failure")
    error = failure.get("Error", "unknown")
    optional = {
        "Readings stored": _STORED_READINGS.get(error, _UNKNOWN_READINGS),
        "Move to failed/": _quarantine_failure(field(event, "quarantine")),
    }
    return Report(
        subject="File not processed",
        summary=f"{source.key} could not be processed. {_EXPLANATIONS.get(error, _UNEXPECTED)}",
        facts={
            "File": source.key,
            "Reason": _cause(failure),
            "Location": _location_text(source, locations),
            **{name: value for name, value in optional.items() if value},
            "Error": error,
            "Execution": event.get("execution", "none"),
        },
        advice=f"What to do: {_ADVICE.get(error, _DEFAULT_ADVICE)}",
    )


def move_failure_report(event: Mapping[str, Any], locations: FileLocations) -> Report:
    """The report on a file that is stored but was not moved: what is stored, and what to do."""
    source = ObjectRef.from_event(event)
    failure = field(event, "failure")
    error = failure.get("Error", "unknown")
    not_done, advice = _move_outcome(locations)
    return Report(
        subject="File processed, but moving it failed",
        summary=(
            f"All readings of {source.key} are stored, but moving the file to processed/ failed. "
            f"{_EXPLANATIONS.get(error, _UNEXPECTED)}"
        ),
        facts={
            "File": source.key,
            **_counts(field(event, "ingestion"), settings.text("TARGET_BUCKET")),
            "Not done": not_done,
            "Location": _location_text(source, locations),
            "Reason": _cause(failure),
            "Error": error,
            "Execution": event.get("execution", "none"),
        },
        advice=f"What to do: {advice}",
    )


def _counts(ingestion: Mapping[str, Any], target_bucket: str) -> dict[str, str]:
    rejected = str(ingestion["rejected"])
    if rejected_key := ingestion.get("rejectedKey"):
        rejected += f", see s3://{target_bucket}/{rejected_key}"
    return {
        "Readings stored": str(ingestion["stored"]),
        "Duplicate rows": str(ingestion["duplicates"]),
        "Rejected rows": rejected,
    }


def _move_outcome(locations: FileLocations) -> tuple[str, str]:
    """What was not done with a file whose readings are stored, and what to do."""
    restart = (
        "Do not upload the file again: its readings are stored. When the cause is corrected, the "
        "operator of this service starts an execution with the same input. It stores the same "
        "readings again, which changes nothing, and moves the file."
    )
    match bool(locations.source), bool(locations.processed):
        case True, True:
            return "The file was copied, but not deleted from the source bucket.", restart
        case True, False:
            return "The file was not moved.", restart
        case False, True if not locations.unknown:
            return (
                "Nothing. The file was moved, but the function ended before it could report that.",
                "Nothing.",
            )
    if locations.unknown:
        return "It is unknown whether the file was moved.", restart
    return (
        "The file was not moved.",
        "Nothing, unless you need the file itself: its readings are stored.",
    )


def _location_text(source: ObjectRef, locations: FileLocations) -> str:
    sentences = [f"{reason.rstrip('.')}." for reason in locations.unknown]
    if locations.found:
        return ". ".join([" and ".join(locations.found), *sentences])
    if sentences:
        return " ".join(["Unknown.", *sentences])
    return f"Not found: neither at {source.uri} nor in processed/ or failed/ of the target bucket."


def _quarantine_failure(quarantine: Mapping[str, Any]) -> str | None:
    """Why Quarantine File did not move the file; None if it did."""
    if quarantine.get("moved"):
        return None
    if "reason" in quarantine:
        return f"not moved. {quarantine['reason']}"
    return f"failed. {_cause(quarantine)}"


def _cause(failure: Mapping[str, Any]) -> str:
    """The message of a failure; the cause of a failed function is JSON that contains it."""
    cause = str(failure.get("Cause") or "No reason was given.")
    with suppress(ValueError, KeyError, TypeError):
        cause = str(json.loads(cause)["errorMessage"])
    return cause if len(cause) <= _MAX_CAUSE else cause[:_MAX_CAUSE] + "…"


def _fact(text: str) -> str:
    """A fact as one safe line: object keys may contain line breaks and control characters."""
    return one_line(text, _MAX_FACT)
