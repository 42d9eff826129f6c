"""What can go wrong while a document is signed."""

from handlers.shared.errors import PermanentError, TransientError


class InvalidDocumentIdError(PermanentError):
    """A document's id is a whole number, or a string of 1 to 128 letters, digits and -_.: only."""


class SignatureRequestNotFoundError(PermanentError):
    """There is no such signature request."""


class SignatureDeclinedError(PermanentError):
    """The signer has declined: the task's error, with the reason as its cause."""


class SignatureRequestCancelledError(PermanentError):
    """The signature is no longer wanted."""


class SignaturesNotCollectedError(PermanentError):
    """A document was not signed by all: what the execution ends with."""


class DecisionBeingRecordedError(TransientError):
    """Another decision is on its way to the machine at this moment."""
