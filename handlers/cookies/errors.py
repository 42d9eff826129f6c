"""What can go wrong while cookies are counted."""

from handlers.shared.errors import PermanentError, TransientError


class InvalidRequestError(PermanentError):
    """The input of the execution does not say whose cookies are wanted."""


class TooManyNamesError(PermanentError):
    """There are more names than a report can have."""


class ProfileUnavailableError(TransientError):
    """A person's profile could not be fetched."""


class ResultMissingError(PermanentError):
    """A person was processed, but what they ate is not to be found."""
