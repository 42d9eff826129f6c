"""The errors of the images workflow."""

from handlers.shared.errors import PermanentError


class InvalidDownloadRequestError(PermanentError):
    """The request is not a valid request for downloads."""


class RunDocumentMissingError(PermanentError):
    """A document that an earlier state of the run should have written is missing."""
