"""Logs and metrics of a workflow.

A handler's `@logger.inject_lambda_context(correlation_id_path="execution")` adds the execution's
ARN to every line. Log keyword fields, never entire events.
"""

import json
import warnings
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from handlers.shared import settings
from handlers.shared.text import shortened

NAMESPACE = "Stepworks"

MAX_LOGGED = 16_000  # characters of one field, for example a stack trace

# A handler that fails has no metrics to publish, so the warning adds nothing to its error.
warnings.filterwarnings("ignore", message="No application metrics to publish")


def logger_for(workflow: str) -> Logger:
    """The logger of a workflow, the same for all of its modules."""
    return Logger(service=workflow, json_serializer=_json_line)


class _StageMetrics(Metrics):
    """Metrics by stage: several stages of one account must not add up."""

    def add_metric(self, *arguments: Any, **options: Any) -> None:
        if "stage" not in self.dimension_set:
            self.add_dimension("stage", settings.text("STAGE"))
        super().add_metric(*arguments, **options)


def metrics_for(workflow: str) -> Metrics:
    """The metrics of a workflow, by stage and service. `log_metrics` publishes them."""
    return _StageMetrics(namespace=NAMESPACE, service=workflow)


def measure(name: str, unit: str, value: float, **dimensions: str) -> None:
    """Publish one metric now, by stage and the dimensions. `unit` is one of CloudWatch's."""
    with single_metric(name, MetricUnit(unit), value, namespace=NAMESPACE) as metric:
        for dimension, label in {"stage": settings.text("STAGE"), **dimensions}.items():
            metric.add_dimension(dimension, label)


def _json_line(record: dict[str, Any]) -> str:
    """A record as one line of ASCII, which also escapes bidirectional control characters."""
    fields = {
        name: shortened(value, MAX_LOGGED) if isinstance(value, str) else value
        for name, value in record.items()
    }
    return json.dumps(fields, default=str, separators=(",", ":"))
