"""What a function's process imports before its handler."""

import pytest
from ministack.core import lambda_runtime

from local.gaps import lambda_imports
from tests.integration.local.functions import Functions

WITHOUT_CLIENT = """
    import sys

    def handler(event, context):
        return "botocore" in sys.modules
"""
WITH_CLIENT = """
    import os

    def handler(event, context):
        import boto3
        from botocore.awsrequest import AWSResponse

        os.environ.update(
            AWS_DEFAULT_REGION="us-east-1", AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test"
        )
        sent = {}

        def send(request, **_):
            sent.update(request.headers)
            return AWSResponse("http://127.0.0.1", 200, {}, None)

        client = boto3.client("lambda")
        client.meta.events.register("before-send", send)
        try:
            client.invoke(FunctionName="another")
        except Exception:
            pass  # that is no response of Lambda
        return [name.lower() for name in sent]
"""
WITH_A_FINDER_OF_ITS_OWN = """
    import sys

    class Finder:
        asked = []

        def find_spec(self, name, path=None, target=None):
            self.asked.append(name)

    sys.meta_path.insert(1, Finder())

    def handler(event, context):
        import botocore.session

        return "botocore.session" in Finder.asked
"""


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> None:
    script = lambda_imports.worker_script(lambda_runtime._PYTHON_WORKER_SCRIPT)
    monkeypatch.setattr(lambda_runtime, "_PYTHON_WORKER_SCRIPT", script)


def test_upstream_still_imports_botocore_for_every_function(functions: Functions) -> None:
    """When this fails, ministack does not: lambda_imports.py can go."""
    assert functions.call(functions.create(WITHOUT_CLIENT))["body"] is True


@pytest.mark.usefixtures("filled")
def test_a_function_without_a_client_has_no_botocore(functions: Functions) -> None:
    assert functions.call(functions.create(WITHOUT_CLIENT))["body"] is False


@pytest.mark.usefixtures("filled")
def test_requests_still_have_the_depth_of_the_call(functions: Functions) -> None:
    headers = functions.call(functions.create(WITH_CLIENT))["body"]
    assert lambda_runtime.INVOKE_DEPTH_HEADER.lower() in headers


@pytest.mark.usefixtures("filled")
def test_every_other_finder_of_modules_is_still_asked(functions: Functions) -> None:
    assert functions.call(functions.create(WITH_A_FINDER_OF_ITS_OWN))["body"] is True


def test_a_worker_that_is_written_otherwise_is_no_surprise() -> None:
    with pytest.raises(RuntimeError, match="no longer calls"):
        lambda_imports.worker_script("print('rewritten')")
