"""Logs and metrics of a workflow.

A handler's `@logger.inject_lambda_context(correlation_id_path="execution")` puts the execution's
ARN into every line. Log keyword fields, never whole events.
"""

import json
import warnings
from typing import Any

from aws_lambda_powertools import Logger, Metrics

from handlers.shared.text import shortened

MAX_LOGGED = 16_000  # characters of one field, a stack trace for one

# A handler that fails has no metrics to publish; its error says enough.
warnings.filterwarnings("ignore", message="No application metrics to publish")


def logger_for(workflow: str) -> Logger:
    """The logger of a workflow; its modules all get the same one."""
    return Logger(service=workflow, json_serializer=_line)


def metrics_for(workflow: str) -> Metrics:
    """The metrics of a workflow."""
    return Metrics(namespace="Stepworks", service=workflow)


def _line(record: dict[str, Any]) -> str:
    """A record as one line of ASCII: what turns the direction of writing is escaped as well."""
    fields = {
        name: shortened(value, MAX_LOGGED) if isinstance(value, str) else value
        for name, value in record.items()
    }
    return json.dumps(fields, default=str, separators=(",", ":"))
