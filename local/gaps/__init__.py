"""The gaps: what the workflows need and ministack lacks.

Each module fills one gap by replacing a named function of ministack at start-up. Its test in
tests/integration/local/ checks two things: that the module fills the gap, and that ministack still
has it. The second check fails when upstream no longer needs the module, so that it can be removed.
"""

from local.gaps import (
    api_request_validation,
    api_starts_execution,
    closed_connections,
    code_on_disk,
    error_names,
    lambda_environments,
    lambda_events,
    lambda_imports,
    lambda_metrics,
    lambda_workers,
    machine_depth,
    machine_timeout,
    nested_history,
    newest_only,
    permissions,
    rule_dead_letters,
    rule_invocations,
    sdk_error_names,
    start_input_limit,
    task_parameters,
    task_timeout,
    task_tokens,
    version_ranges,
)


def install() -> None:
    api_request_validation.install()
    api_starts_execution.install()
    closed_connections.install()
    code_on_disk.install()
    error_names.install()
    lambda_environments.install()
    lambda_events.install()
    lambda_imports.install()
    lambda_metrics.install()
    lambda_workers.install()
    machine_depth.install()
    machine_timeout.install()
    nested_history.install()
    newest_only.install()
    permissions.install()
    rule_dead_letters.install()
    rule_invocations.install()
    sdk_error_names.install()
    start_input_limit.install()
    task_parameters.install()
    task_timeout.install()
    task_tokens.install()
    version_ranges.install()
