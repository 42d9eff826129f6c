"""The e-mails about a file: what they say, as text and as HTML."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from handlers.sensor.source import ObjectRef
from handlers.shared.events import field
from handlers.shared.mail import Mail, send_once
from handlers.shared.settings import required
from handlers.shared.text import one_line

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_TEXT = 1000  # characters of a cause that is no sentence of ours, a stack trace perhaps
_MOST_FACT = 3000  # characters, of a key of 1,024 and a cause

# By error name: what happened, and what to do, in words for the one who uploaded the file.
_TRY_AGAIN = "Upload the file again. If it fails again, tell whoever runs this service."
_EXPLANATIONS = {
    "SourceObjectMissingError": (
        "The file was no longer there when its turn came.",
        "If you did not delete it yourself, upload it again.",
    ),
    "SourceObjectChangedError": (
        "The file was replaced by a newer upload before its turn came.",
        "Nothing, if the newer upload is the one you want: it is processed on its own.",
    ),
    "SourceAccessDeniedError": (
        "This service is not allowed to read the file.",
        "Check the permissions of the bucket and of the key the file is encrypted with.",
    ),
    "NoValidReadingsError": (
        "The file has no valid reading.",
        "Each row should be <SENSOR_UID>,<TIMESTAMP>,<VALUE>, the time in whole seconds since "
        "1970. Correct the rows and upload the file again.",
    ),
    "IngestionTimeoutError": (
        "The file is too large to be stored in the time there is, or the table takes too little.",
        "Split the file and upload the parts; what was stored already does no harm.",
    ),
    "CopyVerificationError": (
        "The readings were stored, but the file could not be copied without a fault.",
        _TRY_AGAIN,
    ),
    "AwsUnavailableError": ("AWS did not answer, even after several attempts.", _TRY_AGAIN),
    "Lambda.Unknown": ("A step of the work broke off, out of time or memory.", _TRY_AGAIN),
    "Sandbox.Timedout": ("A step of the work took too long.", _TRY_AGAIN),
    "States.Timeout": ("A step of the work took too long.", _TRY_AGAIN),
}
_UNEXPECTED = ("Something unexpected happened.", _TRY_AGAIN)


@dataclass(frozen=True)
class Report:
    """An e-mail about a file, before it has a form."""

    subject: str
    lead: str
    facts: Mapping[str, str]
    advice: str = ""

    def text(self) -> str:
        facts = "\n".join(f"{name}: {_fact(value)}" for name, value in self.facts.items())
        return "\n\n".join(filter(None, (_fact(self.lead), facts, self.advice))) + "\n"

    def html(self) -> str:
        rows = "".join(
            f'<tr><th align="left">{escape(name)}</th><td>{escape(_fact(value))}</td></tr>'
            for name, value in self.facts.items()
        )
        advice = f"<p>{escape(self.advice)}</p>" if self.advice else ""
        return (
            f"<!doctype html><html><body><p>{escape(_fact(self.lead))}</p>"
            f'<table cellpadding="4">{rows}</table>{advice}</body></html>'
        )


def send(report: Report, event: Mapping[str, Any]) -> dict[str, str]:
    """Send a report at most once for an execution (see `send_once`)."""
    mail = Mail(
        sender=required("EMAIL_FROM"),
        recipient=required("EMAIL_TO"),
        subject=report.subject,
        text=report.text(),
        html=report.html(),
    )
    # A function invoked by hand has no execution; the object itself is the next best key.
    subject = event.get("execution") or repr(ObjectRef.from_event(event))
    return send_once(mail, key=f"{report.subject}#{subject}")


def processed_report(event: Mapping[str, Any]) -> Report:
    """What became of a file that was processed."""
    source = ObjectRef.from_event(event)
    ingestion, moved = field(event, "ingestion"), field(event, "moved")
    rejected = str(ingestion["rejected"])
    if rejected_key := ingestion.get("rejectedKey"):
        rejected += f", see s3://{moved['bucketName']}/{rejected_key}"
    return Report(
        subject="File processed",
        lead=f"{source.key} was processed.",
        facts={
            "File": source.key,
            "Now at": _uri(moved),
            "Readings stored": str(ingestion["stored"]),
            "Duplicate rows": str(ingestion["duplicates"]),
            "Rejected rows": rejected,
            "Sensors": str(ingestion["sensors"]),
            "First reading": _utc(ingestion["firstTimestamp"]),
            "Last reading": _utc(ingestion["lastTimestamp"]),
            "Time taken": f"{ingestion['seconds']} s",
        },
    )


def failure_report(event: Mapping[str, Any]) -> Report:
    """Why a file could not be processed, where it is, and what to do."""
    source = ObjectRef.from_event(event)
    failure = field(event, "failure")
    why, advice = _EXPLANATIONS.get(failure.get("Error", ""), _UNEXPECTED)
    return Report(
        subject="File not processed",
        lead=f"{source.key} could not be processed. {why}",
        facts={
            "File": source.key,
            "Reason": _cause(failure),
            "Where it is now": _whereabouts(source, field(event, "setAside")),
            "Error": failure.get("Error", "unknown"),
            "Execution": event.get("execution", "none"),
        },
        advice=f"What to do: {advice}",
    )


def _whereabouts(source: ObjectRef, set_aside: Mapping[str, Any]) -> str:
    if set_aside.get("moved"):
        return _uri(set_aside)
    if "reason" in set_aside:
        return f"Nothing was moved. {set_aside['reason']}"
    return f"Still at {source.uri}: it could not be moved either. {_cause(set_aside)}"


def _cause(failure: Mapping[str, Any]) -> str:
    """The message of a failure: a Lambda's cause is JSON that holds it."""
    cause = str(failure.get("Cause") or "No reason was given.")
    with suppress(ValueError, KeyError, TypeError):
        cause = str(json.loads(cause)["errorMessage"])
    return cause if len(cause) <= _MOST_TEXT else cause[:_MOST_TEXT] + "…"


def _fact(text: str) -> str:
    """Keys of objects have line breaks and worse, if their uploader likes."""
    return one_line(text, _MOST_FACT)


def _uri(place: Mapping[str, Any]) -> str:
    return f"s3://{place['bucketName']}/{place['objectKey']}"


def _utc(timestamp: int) -> str:
    return (_EPOCH + timedelta(seconds=timestamp)).isoformat().replace("+00:00", "Z")
