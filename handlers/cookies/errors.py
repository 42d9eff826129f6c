"""The errors of the cookies workflow."""

from handlers.shared.errors import PermanentError, TransientError


class InvalidRequestError(PermanentError):
    """The input of the execution is not a valid request."""


class TooManyNamesError(PermanentError):
    """The request has more names than a report can have."""


class ProfileUnavailableError(TransientError):
    """A person's profile could not be fetched."""


class ResultMissingError(PermanentError):
    """A person was processed, but the file with the result is missing."""
