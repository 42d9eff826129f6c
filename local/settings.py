"""Where the local AWS listens and keeps its files, and the environment that its clients need."""

import os
from dataclasses import dataclass
from pathlib import Path

from local.errors import LocalError

ROOT = Path(__file__).resolve().parent.parent
REGION = "us-east-1"
SERVICE = "stepworks"
STAGE = "local"
STACK = f"{SERVICE}-{STAGE}"
DEFAULT_PORT = 4566
DEFAULT_WAIT_SCALE = 0.01
DEFAULT_KEEP = 3000
MAX_KEEP = 1_000_000


def own_folder() -> Path:
    """The folder of this checkout's local AWSs. Only the user has access."""
    folder = ROOT / ".stepworks"
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)  # it may be older, or created with another umask
    return folder


@dataclass(frozen=True)
class Settings:
    """One local AWS. Two checkouts, or two ports of one, never share a file or a process."""

    port: int = DEFAULT_PORT
    wait_scale: float = DEFAULT_WAIT_SCALE  # factor for Wait states and for pauses between retries
    keep: int = DEFAULT_KEEP  # executions, events, mails … that it remembers

    @classmethod
    def from_environment(cls) -> "Settings":
        port = os.environ.get("STEPWORKS_PORT") or str(DEFAULT_PORT)
        if not (port.isascii() and port.isdigit()) or not 1024 <= int(port) <= 65535:
            raise LocalError(
                f"STEPWORKS_PORT is {port!r}: it must be a port number from 1024 to 65535."
            )
        scale = os.environ.get("STEPWORKS_WAIT_SCALE") or str(DEFAULT_WAIT_SCALE)
        try:
            wait_scale = float(scale)
        except ValueError:
            wait_scale = -1.0
        if not 0 <= wait_scale <= 1:
            raise LocalError(
                f"STEPWORKS_WAIT_SCALE is {scale!r}: it must be a number from 0 (no waiting) "
                "to 1 (real time)."
            )
        keep = os.environ.get("STEPWORKS_KEEP") or str(DEFAULT_KEEP)
        if not (keep.isascii() and keep.isdigit()) or not 1 <= int(keep) <= MAX_KEEP:
            raise LocalError(
                f"STEPWORKS_KEEP is {keep!r}: it must be a number of executions from 1 to "
                f"{MAX_KEEP}."
            )
        return cls(int(port), wait_scale, int(keep))

    @property
    def endpoint(self) -> str:
        # With the name `localhost`, clients would put the bucket's name in front of it.
        return f"http://127.0.0.1:{self.port}"

    @property
    def console(self) -> str:
        """The address of the console."""
        return f"{self.endpoint}/console/"

    @property
    def directory(self) -> Path:
        """The folder of everything this local AWS writes. `make down` deletes it."""
        return ROOT / ".stepworks" / str(self.port)

    @property
    def log(self) -> Path:
        return self.directory / "local-aws.log"

    @property
    def deploy_log(self) -> Path:
        return self.directory / "deploy.log"

    def client_environment(self) -> dict[str, str]:
        """The variables that make AWS clients and `serverless` use this local AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "STEPWORKS_STAGE": STAGE,
        }
