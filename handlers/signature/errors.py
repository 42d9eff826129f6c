"""The errors of the signature workflow.

An error that is raised without a message has its docstring as message.
"""

from handlers.shared.errors import PermanentError


class InvalidDocumentIdError(PermanentError):
    """A document's id is a whole number, or a string of 1 to 128 letters, digits and -_.: only."""


class SignatureRequestNotFoundError(PermanentError):
    """There is no such signature request."""


class SignatureDeclinedError(PermanentError):
    """The signer has declined. This is the task's error; its cause is the reason."""


class SignatureRequestCancelledError(PermanentError):
    """The request was cancelled: the signature is no longer needed."""


class SignaturesNotCollectedError(PermanentError):
    """Not every signer has signed the document. This is the execution's error."""
