"""The error of a failed download."""


class DownloadError(Exception):
    """One resource could not be downloaded. A batch turns this error into an outcome.

    `what` is the reason, for people; `status` is that of the response, if there was one. `again`
    marks a transient error; `retry_after` is the number of seconds that the server asked to wait.
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
