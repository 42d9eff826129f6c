"""How clients are configured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import (
    ClientError,
    HTTPClientError,
    ParamValidationError,
    UnknownServiceError,
)
from botocore.stub import Stubber

from handlers.shared import clients
from handlers.shared.clients import client
from handlers.shared.errors import AwsRequestRefusedError, error_code
from tests.support import asl
from tests.support.asl import ROOT


def test_a_client_is_created_once() -> None:
    assert client("s3") is client("s3")


def test_only_the_folders_of_a_service_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore looks into those of all 430 services, which takes a fifth of the import."""
    listed: list[str] = []
    list_folder = os.listdir

    def listdir(path: str) -> list[str]:
        listed.append(Path(path).name)
        return list_folder(path)

    monkeypatch.setattr(os, "listdir", listdir)

    assert clients._loader.__wrapped__().load_service_model("events", "service-2")
    assert set(listed) <= {"data", "events"}


def test_an_unknown_service_is_an_error() -> None:
    with pytest.raises(UnknownServiceError):
        client("nonsense")


def test_the_ses_client_does_not_retry() -> None:
    assert client("ses").meta.config.retries["total_max_attempts"] == 1


def test_other_clients_retry() -> None:
    retries = client("s3").meta.config.retries
    assert (retries["mode"], retries["total_max_attempts"]) == ("standard", 4)


def test_the_api_responds_in_time_although_step_functions_does_not_respond() -> None:
    """Otherwise Bob would get an error from API Gateway instead of the page with the status."""
    config = client("stepfunctions").meta.config
    attempts = config.retries["total_max_attempts"]
    backoff = sum(2**number for number in range(attempts - 1))  # botocore's, at most
    functions = yaml.load((asl.ROOT / "handlers/signature/functions.yml").read_text(), asl.Loader)

    assert attempts > 1
    worst = max(config.read_timeout, config.connect_timeout) * attempts + backoff
    assert worst < functions["decideSignatureRequest"]["timeout"] - 3  # for DynamoDB


def test_a_bulk_client_neither_validates_nor_retries() -> None:
    bulk = client("dynamodb", bulk=True)
    assert bulk.meta.config.retries["total_max_attempts"] == 1
    with pytest.raises(HTTPClientError):  # not validated, so the request is sent
        bulk.list_tables(Limit="five")
    with pytest.raises(ParamValidationError):
        client("dynamodb").list_tables(Limit="five")


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_a_refused_request_has_an_error_name_of_ours(code: str) -> None:
    """Its name is the one that an execution ends with. botocore's would depend on the service."""
    dynamodb = client("dynamodb")
    with Stubber(dynamodb) as stubber:
        stubber.add_client_error("list_tables", code, "no", http_status_code=400)
        with pytest.raises(AwsRequestRefusedError, match=rf"{code}\) when calling") as raised:
            dynamodb.list_tables()

    assert isinstance(raised.value, ClientError)
    assert error_code(raised.value) == code


def test_a_throttled_request_has_botocores_error() -> None:
    dynamodb = client("dynamodb")
    with Stubber(dynamodb) as stubber:
        stubber.add_client_error("list_tables", "ThrottlingException", "no", http_status_code=400)
        with pytest.raises(ClientError) as raised:
            dynamodb.list_tables()

    assert not isinstance(raised.value, AwsRequestRefusedError)


def handlers() -> list[str]:
    """The handler of every function of the service, such as `handlers.sensor.move_file.handler`."""
    files = sorted((ROOT / "handlers").glob("*/functions.yml"))
    functions = {
        key: function
        for file in files
        for key, function in yaml.load(file.read_text(), asl.Loader).items()
    }
    return [function["handler"].replace("/", ".") for function in functions.values()]


IMPORTING = """
import importlib, json, sys
import botocore.session

created, clients = [], {}
create = botocore.session.Session.create_client


def create_and_record(session, service, *arguments, **options):
    created.append(service)
    return create(session, service, *arguments, **options)


botocore.session.Session.create_client = create_and_record
for name in sys.argv[1:]:
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), function)), name
    if created:
        clients[name] = list(created)
        created.clear()
print(json.dumps(clients))
"""


def test_importing_handlers_creates_no_client_and_needs_no_setting() -> None:
    # Given an interpreter without any environment
    command = [sys.executable, "-c", IMPORTING, *handlers()]
    # When all handlers are imported
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False
    )
    # Then no client has been created, by boto3 or by botocore itself
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


def test_every_handler_belongs_to_a_function() -> None:
    """The tests of all handlers take the handlers from the functions."""
    written = {
        ".".join([*path.relative_to(ROOT).with_suffix("").parts, "handler"])
        for path in (ROOT / "handlers").rglob("*.py")
        if "\ndef handler(" in path.read_text()
    }

    assert written == set(handlers())
