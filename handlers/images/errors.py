"""What can go wrong with a run of downloads."""

from handlers.shared.errors import PermanentError


class InvalidDownloadRequestError(PermanentError):
    """The request is not one for downloads."""


class RunDocumentMissingError(PermanentError):
    """What an earlier step of the run should have written is not there."""
