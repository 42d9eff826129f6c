"""Deploy to the local AWS with the real `serverless`, and only what has changed."""

import hashlib
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local import redeploy_handlers
from local.aws import Aws
from local.errors import LocalError
from local.locks import one_at_a_time
from local.settings import ROOT, STAGE, Settings

DEPLOY_SECONDS = 600
MAIL_DOMAIN = "example.com"  # domain of every address in the stage's parameters
# The sources of a deployment.
SOURCES = (
    "serverless.yml",
    "package-lock.json",
    "requirements.txt",
    "plugins",
    "handlers",
    "statemachines",
    "events",
)


class Outcome(StrEnum):
    """What a deployment did, as a message."""

    UNCHANGED = "The deployment is up to date."
    HANDLERS = "Deployed the changed handlers."
    ALL = "Deployed."


def deploy(settings: Settings, report: Callable[[str], None] = lambda _: None) -> Outcome:
    """Bring the stack up to date. Raises LocalError with the reason.

    If only handlers have changed since the last deployment, only their code is deployed. If that
    fails, `report` gets the reason, and everything is deployed.
    """
    record = settings.directory / "deployed.json"
    current = _fingerprints()
    deployed = _recorded(record) if Aws(settings).is_deployed() else {}
    if deployed == current:
        return Outcome.UNCHANGED
    record.unlink(missing_ok=True)  # written again after the deployment
    only_handlers = deployed.get("other") == current["other"]
    if only_handlers and _redeploy_handlers(settings, report):
        outcome = Outcome.HANDLERS
    else:
        # The framework compares a package with the last one that it deployed itself. With `--force`
        # it also deploys an equal one, because the functions may have got other code since.
        run_serverless(settings, "deploy", "--stage", STAGE, "--force")
        _verify_mail_domain(settings)
        outcome = Outcome.ALL
    record.write_text(json.dumps(current))
    return outcome


def _recorded(record: Path) -> dict[str, str]:
    """The fingerprints of what is deployed. Empty if the file is missing or cannot be read."""
    try:
        found = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _redeploy_handlers(settings: Settings, report: Callable[[str], None]) -> bool:
    try:
        redeploy_handlers.update(Aws(settings))
    except (
        BotoCoreError,
        ClientError,
        LocalError,
        LookupError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        report(f"Deploying the handlers alone failed ({error}): deploying everything.")
        return False
    return True


def run_serverless(settings: Settings, *arguments: str) -> None:
    """Run the project's own `serverless`. Its output goes to the deployment's log."""
    command = [str(ROOT / "node_modules" / ".bin" / "serverless"), *arguments]
    # Deployments for all ports package into the same folder, `.serverless`.
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
        outcome = f"did not end within {DEPLOY_SECONDS} s" if code is None else "failed"
        raise LocalError(
            f"`serverless {' '.join(arguments)}` {outcome}: {_reason(settings.deploy_log)}\n"
            f"  Its whole output: {settings.deploy_log.relative_to(ROOT)}"
        )


def _without_aws(environment: "os._Environ[str]") -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


def _reason(log: Path) -> str:
    """The text after `Error:` in the command's output, or its last lines."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace")).strip()
    after = text.rpartition("Error:")[2] if "Error:" in text else text
    lines = [line.strip() for line in after.splitlines() if line.strip()]
    return " ".join(lines[:4] if "Error:" in text else lines[-4:]) or "no output"


def _verify_mail_domain(settings: Settings) -> None:
    """SES sends from verified identities only. In an AWS account a person does this once."""
    Aws(settings).client("ses").verify_domain_identity(Domain=MAIL_DOMAIN)


def _fingerprints() -> dict[str, str]:
    """Of the handlers' code, and of all other sources of a deployment."""
    handlers = redeploy_handlers.sources()
    other = set(_source_files()) - set(handlers)
    return {"handlers": _fingerprint(handlers), "other": _fingerprint(sorted(other))}


def _fingerprint(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _source_files() -> Iterator[Path]:
    for name in SOURCES:
        source = ROOT / name
        found = source.rglob("*") if source.is_dir() else [source]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)
