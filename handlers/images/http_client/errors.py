"""The error of a failed download."""


class DownloadError(Exception):
    """One resource could not be downloaded. A batch turns this error into an outcome.

    `reason` is for people; `status` is that of the response, if there was one. `transient`
    marks an error that a retry may not meet again; `retry_after` is the number of seconds that the
    server asked to wait.
    """

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        transient: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.transient = transient
        self.retry_after = retry_after
