"""Deploy to the local AWS with the real command line, and only when something has changed."""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from local.aws import Aws
from local.errors import LocalError
from local.locks import one_at_a_time
from local.settings import ROOT, STAGE, Settings

DEPLOY_SECONDS = 600
MAIL_DOMAIN = "example.com"  # of every address in the stage's parameters
# What a deployment is made of.
SOURCES = (
    "serverless.yml",
    "package-lock.json",
    "requirements.txt",
    "plugins",
    "handlers",
    "statemachines",
    "events",
)


def deploy(settings: Settings) -> bool:
    """Bring the stack up to date; False if it already was. Raises LocalError with the reason."""
    fingerprint = _fingerprint()
    record = settings.directory / "deployed.json"
    if record.exists() and record.read_text() == fingerprint and Aws(settings).is_deployed():
        return False
    record.unlink(missing_ok=True)
    run_serverless(settings, "deploy", "--stage", STAGE)
    _verify_mail_domain(settings)
    record.write_text(fingerprint)
    return True


def run_serverless(settings: Settings, *arguments: str) -> None:
    """Run the project's own `serverless`; what it prints goes to the deployment's log."""
    command = [str(ROOT / "node_modules" / ".bin" / "serverless"), *arguments]
    # Every port's deployment is packaged into the same folder, `.serverless`.
    with one_at_a_time("serverless"), settings.deploy_log.open("wb") as log:
        try:
            code = subprocess.run(
                command,
                cwd=ROOT,
                env=_without_aws(os.environ) | settings.client_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=DEPLOY_SECONDS,
                check=False,
            ).returncode
        except FileNotFoundError:
            raise LocalError(
                "The Serverless Framework is not installed: run `make setup`."
            ) from None
        except subprocess.TimeoutExpired:
            code = None
    if code != 0:
        what = "took too long" if code is None else "failed"
        raise LocalError(
            f"`serverless {' '.join(arguments)}` {what}: {_reason(settings.deploy_log)}\n"
            f"  All that it printed: {settings.deploy_log.relative_to(ROOT)}"
        )


def _without_aws(environment: "os._Environ[str]") -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


def _reason(log: Path) -> str:
    """What the command line says after `Error:`; its last lines if it says none."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace")).strip()
    after = text.rpartition("Error:")[2] if "Error:" in text else text
    lines = [line.strip() for line in after.splitlines() if line.strip()]
    return " ".join(lines[:4] if "Error:" in text else lines[-4:]) or "it printed nothing"


def _verify_mail_domain(settings: Settings) -> None:
    """SES sends from verified identities only; in an account a person does this once."""
    Aws(settings).client("ses").verify_domain_identity(Domain=MAIL_DOMAIN)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in _source_files():
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _source_files() -> Iterator[Path]:
    for name in SOURCES:
        source = ROOT / name
        found = sorted(source.rglob("*")) if source.is_dir() else [source]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)
