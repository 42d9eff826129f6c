"""The console's pages of an object and of an item: opened from runs, and with hostile content."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from local.aws import Aws, until
from tests.e2e.images.conftest import PNG
from tests.support import web

from .conftest import (
    DESKTOP,
    NARROW,
    THEMES,
    Workbench,
    keep_picture,
    run_page,
    serious_violations,
)

Opened = Callable[..., Page]
HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
READINGS = "sensor_1,1483906366,21.5\nsensor_1,1483906367,21.7\n"


@pytest.fixture
def tag() -> str:
    return uuid4().hex[:8]


def execution_of(aws: Aws, machine: str, word: str) -> str:
    """The ARN of the execution of a machine whose input has a word."""
    states = aws.client("stepfunctions")

    def found() -> str | None:
        listed = states.list_executions(stateMachineArn=aws.outputs[machine], maxResults=20)
        for one in listed["executions"]:
            described = states.describe_execution(executionArn=one["executionArn"])
            if word in described["input"]:
                return str(one["executionArn"])
        return None

    return until(f"the execution of {word}", found)


def object_page(console: str, bucket: str, key: str) -> str:
    return f"{console}object?{urlencode({'bucket': bucket, 'object': key})}"


def put(aws: Aws, output: str, key: str, body: bytes, kind: str = "") -> str:
    """Put an object into a bucket. Returns the bucket's name."""
    bucket = aws.outputs[output]
    more: dict[str, Any] = {"ContentType": kind} if kind else {}
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body, **more)
    return bucket


# -- From a run -----------------------------------------------------------------------------------


def test_the_objects_of_a_sensor_run_open(aws: Aws, console: str, opened: Opened, tag: str) -> None:
    """The file that set it off, which was moved meanwhile, and the one that it left behind."""
    put(aws, "SensorSourceBucket", f"{tag}/readings.csv", READINGS.encode(), "text/csv")
    execution = execution_of(aws, "SensorStateMachineArn", tag)
    assert aws.wait_for_end(execution)["status"] == "SUCCEEDED"
    page = opened(run_page(console, execution))
    header = page.locator(".run-header")
    expect(
        header.get_by_role("link", name=re.compile(rf"{tag}.readings\.csv$")).first
    ).to_be_visible()
    assert serious_violations(page) == []

    header.locator(f"a[title*='sensor-source-'][title*='{tag}/readings.csv']").click()
    expect(page.get_by_role("heading", name="readings.csv", level=1)).to_be_visible()
    expect(page.get_by_text("Not found", exact=True)).to_be_visible()
    expect(page.get_by_text("It was moved, deleted or has expired.")).to_be_visible()

    page.go_back()
    header.locator(f"a[title*='sensortargetbucket-'][title*='{tag}']").first.click()
    expect(page.locator("pre.text")).to_have_text(READINGS)
    expect(page.get_by_role("region", name="The object")).to_contain_text("text/csv")
    assert serious_violations(page) == []
    keep_picture(page, "object")
    page.locator(".crumb a").click()
    expect(page).to_have_url(re.compile("/architecture"))
    expect(page.get_by_role("region", name="SensorTargetBucket")).to_be_visible()


def test_the_objects_of_an_images_run_open(
    aws: Aws, console: str, opened: Opened, tag: str
) -> None:
    with web.serve({f"/{tag}.png": web.file(PNG)}) as server:
        given = {"baseUrl": server.url, "resourcePaths": [f"{tag}.png"], "lambdaConcur": 2}
        execution = aws.client("stepfunctions").start_execution(
            stateMachineArn=aws.outputs["ImagesStateMachineArn"], input=json.dumps(given)
        )["executionArn"]
        assert aws.wait_for_end(execution)["status"] == "SUCCEEDED"
    page = opened(run_page(console, execution))

    page.locator(".run-header").get_by_role("link", name=re.compile(r"report\.json$")).click()
    expect(page.get_by_role("heading", name="report.json", level=1)).to_be_visible()
    expect(page.get_by_role("group", name="Content", exact=True)).to_contain_text(f"{tag}.png")

    page.goto(
        object_page(console, aws.outputs["ImagesBucket"], f"127.0.0.1:{server.port}/{tag}.png")
    )
    expect(page.get_by_text("It is an image")).to_be_visible()
    assert page.locator("main img").count() == 0


def test_a_failed_run_s_message_leads_to_its_topic(
    aws: Aws, console: str, opened: Opened, tag: str
) -> None:
    with web.serve({}) as server:
        given = {"baseUrl": server.url, "resourcePaths": [f"{tag}.png"], "lambdaConcur": 2}
        execution = aws.client("stepfunctions").start_execution(
            stateMachineArn=aws.outputs["ImagesStateMachineArn"], input=json.dumps(given)
        )["executionArn"]
        assert aws.wait_for_end(execution)["status"] == "FAILED"
    page = opened(run_page(console, execution))

    page.locator(".run-header").get_by_role("link", name=re.compile("^to the topic ")).click()

    expect(page).to_have_url(re.compile(r"/architecture\?part=topic"))
    expect(page.get_by_role("region", name="ImagesFailedTopic")).to_be_visible()


def test_an_item_that_a_run_has_put_opens(opened: Opened, workbench: Workbench, tag: str) -> None:
    given = {"id": f"{tag} {HOSTILE}", "secret": "hunter2"}
    page = opened(workbench.page_of(workbench.ended("notes", given)))

    page.locator(".run-header").get_by_role("link", name=re.compile(tag)).click()

    item = page.get_by_role("group", name="Item", exact=True)
    expect(item).to_contain_text('"noted": true')
    expect(item).to_contain_text("hidden")
    expect(page.get_by_role("heading", level=1)).to_have_text(given["id"])
    assert "hunter2" not in page.content()
    assert page.locator("img[src=x]").count() == 0
    assert page.title() != "owned"
    assert serious_violations(page) == []
    keep_picture(page, "item")


# -- What is in them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", HOSTILE),
        ("image/svg+xml", f'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">{HOSTILE}'),
        ("application/json", json.dumps({HOSTILE: [HOSTILE]})),
    ],
)
def test_what_an_object_holds_is_only_text(
    aws: Aws, console: str, opened: Opened, tag: str, kind: str, body: str
) -> None:
    bucket = put(aws, "ImagesBucket", f"{tag}/{HOSTILE}", body.encode(), kind)
    page = opened(object_page(console, bucket, f"{tag}/{HOSTILE}"))

    content = page.get_by_role("region", name="Content")
    expect(content.get_by_text("<img src=x onerror=").first).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("script>")
    assert page.locator("img[src=x], main script, main svg[onload]").count() == 0
    assert page.title() != "owned"


def test_of_a_large_object_the_beginning_is_shown(
    aws: Aws, console: str, opened: Opened, tag: str
) -> None:
    lines = "".join(f"s{number},2026-11-21T10:00:00Z,21.5\n" for number in range(20_000))
    bucket = put(aws, "ImagesBucket", f"{tag}/large.csv", lines.encode(), "text/csv")
    page = opened(object_page(console, bucket, f"{tag}/large.csv"))

    expect(page.get_by_role("region", name="Content")).to_contain_text("The first 64 KiB of ")
    expect(page.locator("pre.text")).to_contain_text("s2000,")
    assert len(page.locator("pre.text").inner_text()) <= 65_536


@pytest.mark.parametrize("screen", [DESKTOP, NARROW], ids=["wide", "narrow"])
def test_everybody_can_use_the_page_of_an_object(
    aws: Aws, console: str, opened: Opened, tag: str, screen: dict[str, int]
) -> None:
    text = "a long line without an end, " * 40
    bucket = put(aws, "ImagesBucket", f"{tag}/{'folder/' * 20}notes.txt", text.encode())
    key = f"{tag}/{'folder/' * 20}notes.txt"
    page = opened(object_page(console, bucket, key), screen)
    expect(page.locator("pre.text")).to_be_visible()

    assert serious_violations(page, *THEMES) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    keep_picture(page, f"object-{screen['width']}", *THEMES)
