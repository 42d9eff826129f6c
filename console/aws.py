"""AWS through boto3: clients, pages, and errors that say what to do."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
)
from botocore.exceptions import ConnectionError as NotConnectedError

_DENIED = (
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
    "403",  # the response to a HEAD request has no body
)
_EXPIRED = (
    "ExpiredToken",
    "ExpiredTokenException",
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
)
_ABSENT = (
    "ExecutionDoesNotExist",
    "StateMachineDoesNotExist",
    "ResourceNotFoundException",
    "ResourceNotFound",
    "NotFound",
    "NoSuchKey",
    "NoSuchVersion",
    "NoSuchBucket",
    "MethodNotAllowed",  # the version of an object is the note that the object was deleted
    "404",
)
RETRYING = "Retrying."  # a page reads again
ATTEMPTS = 3  # of a request, the SDK's repetitions included
T = TypeVar("T")


class ConsoleError(Exception):
    """What is wrong, and what to do."""

    status = 502

    def __init__(self, message: str, action: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.action = action

    def as_dict(self) -> dict[str, Any]:
        return {"message": self.message} | ({"action": self.action} if self.action else {})


def add_problem(problems: list[dict[str, Any]], what: str, error: ConsoleError) -> None:
    """Note what could not be read. The rest of the page is shown."""
    problem = {"what": what} | error.as_dict()
    if problem not in problems:
        problems.append(problem)


class NotFoundError(ConsoleError):
    status = 404


class NotAllowedError(ConsoleError):
    """The credentials lack a permission."""

    status = 403


class BadRequestError(ConsoleError):
    status = 400


class UnreachableError(ConsoleError):
    """AWS does not answer."""

    status = 503


class OutcomeUnknownError(ConsoleError):
    """AWS was asked to change something, and it is not known whether it did."""

    status = 504


class Aws:
    """Clients of one account and region."""

    def __init__(self, session: boto3.Session, endpoint: str | None = None) -> None:
        self.session = session
        self.endpoint = endpoint
        self.region: str = session.region_name or ""
        self._clients: dict[tuple[str, int], Any] = {}  # by service and attempts
        self._lock = threading.Lock()

    def client(self, service: str, attempts: int = ATTEMPTS) -> Any:
        with self._lock:  # creating a client is not thread-safe, using it is
            if (service, attempts) not in self._clients:
                try:
                    self._clients[service, attempts] = self.session.client(
                        service,
                        endpoint_url=self.endpoint,
                        config=Config(
                            connect_timeout=3,
                            read_timeout=20,
                            max_pool_connections=16,
                            retries={"mode": "standard", "total_max_attempts": attempts},
                        ),
                    )
                except NoRegionError:
                    raise ConsoleError(
                        "No AWS region is set.", "Set AWS_REGION, or a region in your AWS profile."
                    ) from None
            return self._clients[service, attempts]

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """The response. Raises ConsoleError."""
        client = self.client(service)
        return translated(service, operation, lambda: getattr(client, operation)(**arguments))

    def change(
        self, service: str, operation: str, check: str, *, repeatable: bool = True, **arguments: Any
    ) -> dict[str, Any]:
        """The response to a request that changes something. Raises ConsoleError.

        OutcomeUnknownError if the change may have been made: `check` says how to find out. The SDK
        repeats the request only if a second one changes nothing more (`repeatable`).
        """
        client = self.client(service, ATTEMPTS if repeatable else 1)
        try:
            return translated(service, operation, lambda: getattr(client, operation)(**arguments))
        except ConsoleError as error:
            if not may_have_taken_effect(error.__cause__):
                raise
            raise OutcomeUnknownError(
                f"It is not known whether {_iam_action(service, operation)} took effect: "
                f"{error.message}",
                check,
            ) from error

    def pages(
        self, service: str, operation: str, key: str, most: int = 100_000, **arguments: Any
    ) -> Iterator[Any]:
        """The items of all pages. Raises ConsoleError."""
        client = self.client(service)
        paginator = client.get_paginator(operation)
        pages = iter(paginator.paginate(**arguments))
        count = 0
        while True:
            page = translated(service, operation, lambda: next(pages, None))
            if page is None:
                return
            for item in page.get(key, []):
                yield item
                count += 1
                if count >= most:
                    return


def may_have_taken_effect(error: BaseException | None) -> bool:
    """Whether AWS may have done what a request asked for, although the request failed."""
    if isinstance(error, ClientError):
        metadata = error.response.get("ResponseMetadata", {})
        # AWS refused this attempt. An earlier one may have got no response.
        status, repetitions = metadata.get("HTTPStatusCode", 0), metadata.get("RetryAttempts", 0)
        return bool(status >= 500 or repetitions)
    return isinstance(error, (HTTPClientError, NotConnectedError))


def translated(service: str, operation: str, call: Callable[[], T]) -> T:
    """The call's result, or a ConsoleError that a person understands."""
    try:
        return call()
    except ClientError as error:
        raise _of_client_error(service, operation, error) from error
    except NoCredentialsError:
        raise NotAllowedError(
            "There are no AWS credentials.",
            "Log in (for example `aws sso login`) or set AWS_PROFILE, then reload.",
        ) from None
    except BotoCoreError as error:
        raise UnreachableError(f"AWS does not answer: {error}", RETRYING) from error


def _of_client_error(service: str, operation: str, error: ClientError) -> ConsoleError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", "")) or str(error)
    action = _iam_action(service, operation)
    if code in _DENIED:
        return NotAllowedError(
            f"No permission for {action}.",
            f"Ask for a policy that allows {action}. AWS said: {message}",
        )
    if code in _EXPIRED:
        return NotAllowedError(
            f"AWS does not accept the credentials: {message}",
            "Log in again (for example `aws sso login`), then reload.",
        )
    if code in _ABSENT:
        return NotFoundError(message)
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return UnreachableError(f"{action} fails: {message}", RETRYING)
    return BadRequestError(f"{action}: {message}" + (f" ({code})" if code else ""))


_IAM_PREFIX = {"stepfunctions": "states"}
_IAM_ACTION = {("s3", "head_object"): "GetObject"}  # where it is not the operation's name


def _iam_action(service: str, operation: str) -> str:
    name = _IAM_ACTION.get((service, operation)) or _api_name(operation)
    return f"{_IAM_PREFIX.get(service, service)}:{name}"


def _api_name(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))
