"""The errors of the messages workflow."""

from handlers.shared.errors import PermanentError


class MalformedMessageError(PermanentError):
    """The message is not valid JSON, or the event that carries it is malformed."""


class MessageTooLargeError(PermanentError):
    """The message does not fit into an event."""
