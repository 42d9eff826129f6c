"""Names of the errors of `aws-sdk:sfn:…` tasks."""

from collections.abc import Iterator

import boto3
import pytest
from ministack.services import stepfunctions as sfn

from local.gaps import sdk_error_names


@pytest.fixture
def filled() -> Iterator[None]:
    before = dict(sfn._AWS_SDK_ERROR_CODE_OVERRIDES)
    sdk_error_names.install()
    yield
    sfn._AWS_SDK_ERROR_CODE_OVERRIDES.clear()
    sfn._AWS_SDK_ERROR_CODE_OVERRIDES.update(before)


@pytest.mark.parametrize("code", sdk_error_names.CODES)
def test_an_error_is_named_after_the_sdks_class(filled: None, code: str) -> None:
    assert sfn._prefix_sdk_error("sfn", code) == f"Sfn.{code}Exception"


def test_other_services_keep_their_names(filled: None) -> None:
    name = "ConditionalCheckFailedException"

    assert sfn._prefix_sdk_error("dynamodb", name) == f"DynamoDb.{name}"


def test_codes_are_those_that_the_service_has() -> None:
    service = boto3.client("stepfunctions", region_name="us-east-1").meta.service_model

    assert set(sdk_error_names.CODES) <= {shape.name for shape in service.error_shapes}


def test_upstream_still_lacks_it() -> None:
    """When this fails, ministack names them itself: local/gaps/sdk_error_names.py can go."""
    assert sfn._prefix_sdk_error("sfn", "TaskTimedOut") == "Sfn.TaskTimedOut"
