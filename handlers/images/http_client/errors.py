"""Why a download failed."""


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
