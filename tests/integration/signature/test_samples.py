"""The sample events work with their functions, one after the other."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import asl
from tests.unit.fakes import FakeContext

from .conftest import World

SAMPLES = Path("events/signature")
FUNCTIONS = Path("handlers/signature/functions.yml")


def invoke(name: str, context: FakeContext, sample: str | None = None) -> Any:
    """What `serverless invoke local -p events/signature/<sample>.json` does."""
    module = importlib.import_module(f"handlers.signature.{name.replace('-', '_')}")
    return module.handler(json.loads((SAMPLES / f"{sample or name}.json").read_text()), context)


@pytest.fixture(autouse=True)
def quick_signing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.signature.sign_document.SIGNING_SECONDS", 0)


@pytest.fixture(autouse=True)
def far_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples' Bob has had since January 2026."""
    for module in ("decision", "web", "complete_signature_request", "remind_signer", "reminder"):
        monkeypatch.setattr(f"handlers.signature.{module}.now", lambda: 1_769_900_000.0)


def test_samples_of_a_document_that_is_signed(world: World, context: FakeContext) -> None:
    world.machine.waiting.add("by-hand-no-task-waits")

    assert invoke("sign-document", context)["signature"] == "Alice signed 3"
    assert invoke("request-document-signature", context)["requestId"].endswith("3")
    assert invoke("remind-signer", context) == {"reminded": True}
    assert '"documentId": "3"' in invoke("list-signature-requests", context)["body"]
    assert invoke("show-signature-request", context)["statusCode"] == 404  # not the mail's code
    assert invoke("decide-signature-request", context)["statusCode"] == 404
    assert invoke("complete-signature-request", context)["outcome"] == "COMPLETED"
    assert invoke("finalize-signature-request", context)["status"] == "SIGNED"


def test_samples_of_a_document_that_is_not_signed(world: World, context: FakeContext) -> None:
    world.machine.waiting.add("by-hand-no-task-waits")

    invoke("request-document-signature", context)
    declined = invoke("complete-signature-request", context, "decline-signature-request")
    assert (declined["status"], declined["reason"]) == (
        "DECLINED",
        "The price is not what we agreed on",
    )
    assert invoke("announce-unsigned-document", context)["status"] == "sent"


def test_sample_of_a_cancelled_request(world: World, context: FakeContext) -> None:
    assert invoke("cancel-signature-request", context)["status"] == "CANCELLED"


def test_samples_of_schedules_and_events(world: World, context: FakeContext) -> None:
    assert invoke("deliver-decisions", context) == {"delivered": 0, "remaining": 0}
    assert invoke("withdraw-signature-request", context)["withdrawn"] is True


def test_every_function_has_a_sample() -> None:
    functions = yaml.load(FUNCTIONS.read_text(), asl.Loader)
    files = {re.sub(r"(?=[A-Z])", "-", name).lower() for name in functions}

    assert files <= {path.stem for path in SAMPLES.glob("*.json")}


def test_every_sample_is_used() -> None:
    text = Path(__file__).read_text()

    assert [path.stem for path in SAMPLES.glob("*.json") if f'"{path.stem}"' not in text] == []
