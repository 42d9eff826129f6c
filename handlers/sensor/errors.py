"""What can go wrong with a file of readings."""

from handlers.shared.errors import PermanentError, TransientError


class SourceObjectMissingError(PermanentError):
    """The file is not there."""


class SourceObjectChangedError(PermanentError):
    """Another file has taken the place of the one that was announced."""


class SourceAccessDeniedError(PermanentError):
    """The file may not be read."""


class NoValidReadingsError(PermanentError):
    """The file has no reading that can be stored."""


class IngestionTimeoutError(PermanentError):
    """The file could not be stored in the time a function has."""


class CopyVerificationError(TransientError):
    """The copy of a file is not what the file is."""


class EmailOutcomeUnknownError(PermanentError):
    """SES did not say whether it sent the report, so it may have been sent or not."""


class ExecutionNotStartedError(TransientError):
    """A file has arrived, but no execution was started for it."""
