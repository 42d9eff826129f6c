"""The stack of a stage: on the local AWS, or in the account of the operator's AWS session."""

import argparse
import os
from dataclasses import dataclass

import boto3

from local import process
from local.errors import LocalError
from local.settings import REGION, STAGE, Settings
from ops.clients import Clients
from ops.errors import OpsError

SERVICE = "stepworks"


@dataclass(frozen=True)
class Account:
    """A stage's stack, and clients for its account."""

    stack: str
    clients: Clients


def add_stage_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stage", default=STAGE, help=f"the stack's stage (default: {STAGE})")


def account_of(stage: str) -> Account:
    """The stack and the account of a stage. OpsError if it cannot be reached from here."""
    clients = _on_local_aws() if stage == STAGE else _in_aws_account(stage)
    return Account(f"{SERVICE}-{stage}", clients)


def _on_local_aws() -> Clients:
    try:
        settings = Settings.from_environment()
    except LocalError as error:
        raise OpsError(str(error)) from None
    if not process.answers(settings):
        raise OpsError(
            f"No local AWS answers at {settings.endpoint}: start it with `make up`, or set "
            "STEPWORKS_PORT to its port (for an AWS account, name the stage: --stage dev)."
        )
    credentials = settings.client_environment()
    session = boto3.Session(
        aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    return lambda service: session.client(service, endpoint_url=settings.endpoint)


def _in_aws_account(stage: str) -> Clients:
    if "AWS_ENDPOINT_URL" in os.environ:
        raise OpsError(
            f"Stage {stage} is in an AWS account, and AWS_ENDPOINT_URL leads elsewhere: "
            "unset it, or leave out --stage."
        )
    session = boto3.Session()
    region = session.region_name or REGION
    return lambda service: session.client(service, region_name=region)
