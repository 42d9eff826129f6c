"""What can be wrong with a message."""

from handlers.shared.errors import PermanentError


class MalformedMessageError(PermanentError):
    """The message is not JSON, or the event around it is not an event."""


class MessageTooLargeError(PermanentError):
    """The message does not fit into an event."""
