"""What the local AWS lacks and the workflows need.

Each module fills one gap by replacing a named function of ministack at start-up, and has a test
in tests/integration/local/ that says what it adds; one there fails on the day upstream has it.
"""

from local.gaps import (
    api_request_validation,
    api_starts_execution,
    machine_timeout,
    nested_history,
)


def install() -> None:
    nested_history.install()
    machine_timeout.install()
    api_starts_execution.install()
    api_request_validation.install()
