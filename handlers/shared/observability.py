"""Logs and metrics of a workflow.

A handler's `@logger.inject_lambda_context(correlation_id_path="execution")` puts the execution's
ARN into every line. Log keyword fields, never whole events.
"""

import warnings

from aws_lambda_powertools import Logger, Metrics

# A handler that fails has no metrics to publish; its error says enough.
warnings.filterwarnings("ignore", message="No application metrics to publish")


def logger_for(workflow: str) -> Logger:
    """The logger of a workflow; its modules all get the same one."""
    return Logger(service=workflow)


def metrics_for(workflow: str) -> Metrics:
    """The metrics of a workflow."""
    return Metrics(namespace="Stepworks", service=workflow)
