"""What can go wrong with a run of downloads, and with one download."""

from handlers.shared.errors import PermanentError


class InvalidDownloadRequestError(PermanentError):
    """The request is not one for downloads."""


class RunDocumentMissingError(PermanentError):
    """What an earlier step of the run should have written is not there."""


class DownloadError(Exception):
    """One resource could not be downloaded; never leaves its batch.

    `what` says why, for people, and `status` is that of the answer, if there was one. With `again`
    the same request may succeed later, after `retry_after` seconds if the server said so.
    """

    def __init__(
        self,
        what: str,
        *,
        status: int | None = None,
        again: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.status = status
        self.again = again
        self.retry_after = retry_after
