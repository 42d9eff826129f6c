"""What a page of another site can do to the local AWS while a developer has it open: nothing.

Each attack is signed with the root key, whose secret everybody knows, so that only what the browser
says about the page can stop it.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from playwright.sync_api import Browser, Page, expect

from local.aws import Aws
from local.settings import REGION
from local.signing import Signing
from tests.browser.conftest import EVIL

ROOT = Credentials("test", "test")
INBOX = "/_ministack/ses/messages"


class BlankPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Kittens</title><p>Look at these kittens.")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(params=["127.0.0.1", EVIL], ids=["another port", "another site"])
def other_site(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of another site, on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BlankPage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with closing(browser.new_context()) as context:
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.goto(f"http://{request.param}:{server.server_port}/")
        yield page
    server.shutdown()
    server.server_close()


def signed(aws: Aws, service: str, method: str, path: str, body: str = "", **query: str) -> str:
    """A URL that carries a valid signature of the root key."""

    class WithBody(SigV4QueryAuth):  # type: ignore[misc]
        def payload(self, _: AWSRequest) -> str:
            return hashlib.sha256(body.encode()).hexdigest()

    request = AWSRequest(method, aws.settings.endpoint + path, params=query)
    WithBody(ROOT, service, REGION).add_auth(request)
    return str(request.prepare().url)


def queues(aws: Aws, name: str) -> list[str]:
    found: list[str] = aws.client("sqs").list_queues(QueueNamePrefix=name).get("QueueUrls", [])
    return found


def status_of(page: Page, url: str, script: str, *arguments: Any) -> int:
    """The status with which the server responds to a script."""
    with page.expect_response(lambda response: response.url.startswith(url)) as response:
        page.evaluate(script, list(arguments))
    return response.value.status


def test_a_script_creates_no_function(aws: Aws, other_site: Page) -> None:
    name = f"evil-{uuid4().hex[:8]}"
    role = aws.client("iam").list_roles()["Roles"][0]["Arn"]
    body = json.dumps(
        {
            "FunctionName": name,
            "Runtime": "python3.13",
            "Role": role,
            "Handler": "x.handler",
            "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="},
        }
    )
    url = signed(aws, "lambda", "POST", "/2015-03-31/functions", body)
    post = """([url, body]) => fetch(url, {method: 'POST', mode: 'no-cors', body,
      headers: {'Content-Type': 'text/plain'}})"""

    assert status_of(other_site, url, post, url, body) == 403
    functions = aws.client("lambda").get_paginator("list_functions").paginate()
    assert name not in [item["FunctionName"] for page in functions for item in page["Functions"]]


def test_a_script_does_not_read_the_inbox(aws: Aws, other_site: Page) -> None:
    inbox = aws.settings.endpoint + INBOX
    read = "url => fetch(url).then(response => response.text(), error => `blocked: ${error}`)"

    assert other_site.evaluate(read, inbox).startswith("blocked")
    blind = "([url]) => fetch(url, {mode: 'no-cors'})"
    assert status_of(other_site, inbox, blind, inbox) == 403


def test_a_page_reads_nothing_by_dns_rebinding(aws: Aws, browser: Browser) -> None:
    """DNS rebinding: to the browser the local AWS is the same site as the page."""
    with closing(browser.new_context()) as context:
        page = context.new_page()
        response = page.goto(f"http://{EVIL}:{aws.settings.port}{INBOX}")
        read = "path => fetch(path).then(a => a.text().then(text => [a.status, text]))"
        status, text = page.evaluate(read, INBOX)

    assert response is not None
    assert response.status == status == 403
    assert f"refuses the Host header {EVIL}" in text


@pytest.mark.parametrize("element", ["fetch", "form"])
def test_a_page_cannot_reset_the_local_aws(aws: Aws, other_site: Page, element: str) -> None:
    reset = aws.settings.endpoint + "/_ministack/reset"
    script = {
        "fetch": "([url]) => fetch(url, {method: 'POST', mode: 'no-cors'})",
        "form": """([url]) => { const form = document.createElement('form');
          form.method = 'POST'; form.action = url; document.body.append(form); form.submit(); }""",
    }[element]

    assert status_of(other_site, reset, script, reset) == 403
    assert aws.is_deployed()


@pytest.mark.parametrize(
    ("method", "script"),
    [
        (
            "POST",
            """([url]) => { const form = document.createElement('form');
              form.method = 'POST'; form.enctype = 'text/plain'; form.action = url;
              document.body.append(form); form.submit(); }""",
        ),
        ("GET", "([url]) => { new Image().src = url; }"),
        ("GET", "([url]) => { location.href = url; }"),
        (
            "GET",
            """([url]) => { const frame = document.createElement('iframe');
              frame.src = url; document.body.append(frame); }""",
        ),
        (
            "GET",
            """([url]) => { const frame = document.createElement('iframe');
              frame.sandbox = 'allow-scripts';
              const script = `<script>fetch('${url}', {mode: 'no-cors'})</scr` + 'ipt>';
              frame.src = 'data:text/html,' + encodeURIComponent(script);
              document.body.append(frame); }""",
        ),
    ],
    ids=["form", "image", "link", "frame", "sandboxed frame"],
)
def test_no_element_of_a_page_creates_a_queue(
    aws: Aws, other_site: Page, method: str, script: str
) -> None:
    name = f"evil-{uuid4().hex[:8]}"
    url = signed(
        aws, "sqs", method, "/", Action="CreateQueue", QueueName=name, Version="2012-11-05"
    )

    assert status_of(other_site, url, script, url) == 403
    assert queues(aws, name) == []


def test_the_same_request_from_a_program_creates_one(aws: Aws, browser: Browser) -> None:
    """So the attacks above would succeed if nothing stopped them."""
    name = f"mine-{uuid4().hex[:8]}"
    url = signed(
        aws, "sqs", "POST", "/", Action="CreateQueue", QueueName=name, Version="2012-11-05"
    )
    with closing(browser.new_context()) as context:
        response = context.request.post(url)

    assert response.ok, response.text()
    (queue,) = queues(aws, name)
    aws.client("sqs").delete_queue(QueueUrl=queue)


def test_bob_follows_the_link_in_webmail_and_signs(aws: Aws, other_site: Page) -> None:
    signing, document = Signing(aws), f"contract-{uuid4().hex[:8]}"
    execution = signing.start(document)
    link = "([url]) => { document.body.innerHTML = `<a href='${url}'>Sign</a>`; }"

    other_site.evaluate(link, [signing.link(document)])
    other_site.get_by_role("link").click()
    other_site.get_by_role("button", name=f"Sign document {document}").click()

    expect(other_site.get_by_role("heading", level=1)).to_have_text(
        f"You signed document {document}"
    )
    assert aws.wait_for_end(execution)["status"] == "SUCCEEDED"


def test_another_page_does_not_sign_for_bob(aws: Aws, other_site: Page) -> None:
    """Not even one that knows the link."""
    signing, document = Signing(aws), f"contract-{uuid4().hex[:8]}"
    signing.start(document)
    link = signing.link(document)
    post = """([url]) => fetch(url, {method: 'POST', mode: 'no-cors',
      body: new URLSearchParams({decision: 'sign'})})"""

    assert status_of(other_site, link, post, link) == 403
    assert signing.decide(link, "decline").status == 200
