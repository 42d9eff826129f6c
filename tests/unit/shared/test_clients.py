"""How clients are configured."""

import subprocess
import sys

import pytest
import yaml
from botocore.exceptions import HTTPClientError, ParamValidationError

from handlers.shared.clients import client
from tests.support import asl


def test_a_client_is_made_once() -> None:
    assert client("s3") is client("s3")


def test_a_mail_is_never_retried_by_the_client() -> None:
    assert client("ses").meta.config.retries["total_max_attempts"] == 1


def test_other_services_are() -> None:
    retries = client("s3").meta.config.retries
    assert (retries["mode"], retries["total_max_attempts"]) == ("standard", 4)


def test_a_page_is_answered_though_step_functions_does_not_answer() -> None:
    """Or Bob would get API Gateway's own error, and not the page that says what is stored."""
    config = client("stepfunctions").meta.config
    attempts = config.retries["total_max_attempts"]
    backoff = sum(2**number for number in range(attempts - 1))  # botocore's, at most
    functions = yaml.load((asl.ROOT / "handlers/signature/functions.yml").read_text(), asl.Loader)

    assert attempts > 1
    worst = max(config.read_timeout, config.connect_timeout) * attempts + backoff
    assert worst < functions["decideSignatureRequest"]["timeout"] - 3  # for the table's part


def test_a_bulk_client_neither_validates_nor_retries() -> None:
    bulk = client("dynamodb", bulk=True)
    assert bulk.meta.config.retries["total_max_attempts"] == 1
    with pytest.raises(HTTPClientError):  # as far as the network
        bulk.list_tables(Limit="five")
    with pytest.raises(ParamValidationError):
        client("dynamodb").list_tables(Limit="five")


def test_importing_handlers_makes_no_client_and_needs_no_setting() -> None:
    # Given an interpreter without any environment
    names = "execute_workflow process_file move_file set_aside_file send_email send_failure_email"
    imports = ", ".join(f"handlers.sensor.{name}" for name in names.split())
    code = (
        f"import {imports}, handlers.shared.clients as clients\n"
        "assert clients.client.cache_info().currsize == 0"
    )
    # When all handlers are imported, then nothing has been made
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "."}, check=True)
