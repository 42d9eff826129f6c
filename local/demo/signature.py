"""The signature scene: Bob signs one document, declines one, forgets one; a fourth is yours."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from local.aws import Aws
from local.demo import progress
from local.demo.progress import has_ended, took
from local.demo.summary import Summary
from local.errors import LocalError
from local.signing import Signing

TITLE = "signature: Alice signs at once, Bob by the link in his mail"
SCENE_SECONDS = 120
FORGOTTEN_SECONDS = 8  # Bob's time for the document that he forgets
REASON = "Page 2 is not what we agreed on"
STEPS = ("started", "Alice", "mail to Bob", "Bob", "the owner", "took")


@dataclass
class Document:
    """A document, Bob's decision on it, and its state so far."""

    id: str
    bob: str  # sign, decline or forget
    execution: str = ""
    visited: list[str] = field(default_factory=list)
    link: str = ""
    answered: bool = False
    told: str = ""
    described: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return has_ended(self.described)

    @property
    def name(self) -> str:
        return f"document {self.id}"


def play(aws: Aws, console: Console, *, quick: bool) -> Summary:
    signing, run = Signing(aws), f"{time.time():.0f}"  # the demo may run again on one stack
    documents = [
        Document("3", "sign"),
        Document(f"4-{run}", "decline"),
        Document(f"5-{run}", "forget"),
    ]
    console.print(f"POST {aws.outputs['ApiUrl']}/documents, signed with IAM credentials")
    with signing.machine_with_timeout(FORGOTTEN_SECONDS) as short_machine:
        for document in documents:
            document.execution = (
                signing.start_on(short_machine, document.id)
                if document.bob == "forget"
                else signing.start(document.id)
            )
        watch(signing, console, documents)
    for document in documents:
        check(signing, document)
    show_signatures(console, documents[0])
    for document in documents[1:]:
        console.print(document.described["cause"], highlight=False)
    link = offer_one(signing, console, f"yours-{run}")
    return Summary(
        "3 documents: one signed by Alice and Bob, one declined, one expired; the owner was told",
        "SignatureRequestsTable",
        f"Now you are Bob: sign or decline in your browser, within the hour.\n{link}",
    )


def watch(signing: Signing, console: Console, documents: list[Document]) -> None:
    """Act as Bob, and show the state of each document, until all have ended."""

    def look(unfinished: Iterable[Document]) -> None:
        for document in unfinished:
            look_at(signing, document)
            act_as_bob(signing, document)

    progress.watch(console, documents, look, steps_of, seconds=SCENE_SECONDS)


def look_at(signing: Signing, document: Document) -> None:
    aws = signing.aws
    document.described = aws.describe(document.execution)
    document.visited = aws.visited(document.execution)
    pending = {
        request["requestId"]
        for request in signing.listed("pending", document.id)
        if request["execution"] == document.execution
    }
    for link in signing.links(document.id):
        if any(request_id in link for request_id in pending):
            document.link = link
    if document.ended:
        document.told = next(
            (mail["Subject"] for mail in aws.mails(document.execution) if mail["Subject"]), ""
        )


def act_as_bob(signing: Signing, document: Document) -> None:
    """Follow the link in the mail and press a button, as Bob does."""
    if not document.link or document.answered or document.bob == "forget":
        return
    page = signing.open(document.link)
    expect(page.status == 200 and "<form" in page.text, document, "Bob's page has no buttons")
    answer = signing.decide(document.link, document.bob, REASON)
    expect(answer.status == 200, document, f"Bob's answer was met with {answer.status}")
    document.answered = True


def steps_of(documents: Iterable[Document]) -> Table:
    table = Table("document", *STEPS, box=box.SIMPLE)
    for document in documents:
        table.add_row(document.id, *row(document))
    return table


def row(document: Document) -> list[str]:
    bob = {
        "Bob Signed": "[green]✓ signed",
        "Bob Declined": "[red]✗ declined",
        "Bob Did Not Answer": "[red]✗ no answer",
    }
    return [
        "[green]✓" if document.execution else "",
        "[green]✓ signed" if "Alice Signed" in document.visited else "[yellow]…",
        "[green]✓" if document.link else "[yellow]…",
        next((said for state, said in bob.items() if state in document.visited), "[yellow]…"),
        f"reads: {document.told}" if document.told else "",
        took(document.described),
    ]


def check(signing: Signing, document: Document) -> None:
    """LocalError if an outcome is not the expected one."""
    described = document.described
    wanted: dict[str, tuple[str, str]] = {
        "sign": ("SUCCEEDED", ""),
        "decline": ("FAILED", "SignatureDeclinedError"),
        "forget": ("FAILED", "SignaturesNotCollectedError"),
    }
    ended = (described["status"], described.get("error", ""))
    expect(ended == wanted[document.bob], document, f"it ended {ended}")
    if document.bob == "sign":
        signers = [one["signer"] for one in json.loads(described["output"])["signatures"]]
        expect(signers == ["Alice", "Bob"], document, f"the signatures are those of {signers}")
        expect(not document.told, document, "the owner got a mail though all is well")
    else:
        expect(bool(document.told), document, "the owner was not told")
    if document.bob == "decline":
        expect(REASON in described["cause"], document, "the reason is missing")
    if document.bob == "forget":
        expect("Bob" in described["cause"], document, "it does not say who is missing")
        expect(signing.open(document.link).status == 404, document, "Bob's link still works")


def show_signatures(console: Console, document: Document) -> None:
    table = Table("signer", "signature", "signed at", box=box.SIMPLE)
    for one in json.loads(document.described["output"])["signatures"]:
        table.add_row(one["signer"], one["signature"], one["signedAt"])
    console.print(table)


def offer_one(signing: Signing, console: Console, document: str) -> str:
    """A document for the person at the terminal. Returns the link to it."""
    signing.start(document)
    link = signing.link(document)
    console.print("Now you are Bob: sign or decline in your browser, within the hour.")
    console.print(link, soft_wrap=True, style="bold cyan", highlight=False)
    return link


def expect(holds: bool, document: Document, otherwise: str) -> None:
    if not holds:
        raise LocalError(
            f"The signature workflow did not do what it should with document {document.id}: "
            f"{otherwise}."
        )
