"""The errors of the sensor workflow."""

from handlers.shared.errors import PermanentError, TransientError


class SourceObjectMissingError(PermanentError):
    """The file does not exist."""


class SourceObjectChangedError(PermanentError):
    """The file was replaced by a newer upload."""


class SourceAccessDeniedError(PermanentError):
    """The service is not allowed to read the file."""


class NoValidReadingsError(PermanentError):
    """The file has no reading that can be stored."""


class IngestionTimeoutError(PermanentError):
    """The function ran out of time before the whole file was stored."""


class CopyVerificationError(TransientError):
    """The copy of a file differs from the file."""


class EmailOutcomeUnknownError(PermanentError):
    """SES did not confirm the report, so it may or may not have been sent."""


class ExecutionNotStartedError(TransientError):
    """A file was uploaded, but no execution was started for it."""
