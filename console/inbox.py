"""The mails that the emulator's SES has accepted. AWS keeps none, so there it has no inbox.

A mail is what somebody else wrote. Its HTML is shown as a document of its own, in a frame without
rights: no script, nothing loaded from anywhere, no form, no navigation.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from console.aws import BadRequestError, NotAllowedError, NotFoundError, UnreachableError
from console.core import Console
from console.links import Link
from console.logs import AFTER
from console.polling import Event, now
from console.runs import Run, machine_name, run_id
from console.timeline import OUTSIDE, row
from console.web import Server

MESSAGES = "/_ministack/ses/messages"
READ_AGAIN = 1.0  # seconds
PATIENCE = 5.0  # seconds for the emulator's answer
MOST = 1_000  # mails in the list
PREVIEW = 140  # characters
MOST_RUNS = 10  # whose logs are searched for a mail
# A message id as the emulator gives it.
_ID = re.compile(r"[\w-]+@email\.amazonses\.com").findall
_EXECUTION = re.compile(r"arn:[\w-]+:states:[\w-]*:\d*:execution:[^\s\":]+:[^\s\":,]+")
_LINK = re.compile(r"https?://[^\s<>\"'\\]+[^\s<>\"'\\.,;:!?)\]]")
# What the document of a mail may do: show itself, with its own styles and pictures inside it.
_SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
# Fields of the emulator's record that are no header of the mail.
_NO_HEADERS = {
    "MessageId",
    "Subject",
    "BodyText",
    "BodyHtml",
    "RenderedSubject",
    "RenderedBodyText",
    "RenderedBodyHtml",
    "Timestamp",
    "Source",
    "To",
    "CC",
    "BCC",
    "TemplateData",
    "Attachments",
}


class Inbox:
    """The emulator's inbox. May be used by several threads."""

    def __init__(self, server: Server) -> None:
        self.console = server.console
        self._mails: list[dict[str, Any]] | None = None
        self._read_at = float("-inf")
        self._runs: dict[str, str] = {}  # id of a mail → of its run
        self._lock = threading.Lock()
        # The emulator is on this machine, whatever proxy the environment names.
        self._open = build_opener(ProxyHandler({})).open

    # -- For the poller ---------------------------------------------------------------------------

    def count(self) -> dict[str, int | None]:
        return {"mails": None if self._mails is None else len(self._mails)}

    def news(self) -> Iterator[Event]:
        """Tell pages when mails have come."""
        if not self.console.local:
            return
        before = None if self._mails is None else len(self._mails)
        if len(self.mails()) != before:
            yield "mails", self.count()

    # -- Reading ----------------------------------------------------------------------------------

    def mails(self) -> list[dict[str, Any]]:
        """All mails as the emulator records them, newest first."""
        if not self.console.local:
            raise NotFoundError(
                "There is no inbox: SES delivers mails and keeps none.",
                "Look at the recipient's own inbox.",
            )
        with self._lock:
            if self._mails is None or time.monotonic() - self._read_at > READ_AGAIN:
                found = self._fetch()
                found.sort(key=lambda mail: float(mail.get("Timestamp") or 0), reverse=True)
                self._mails = found
                self._read_at = time.monotonic()
            return self._mails

    def _fetch(self) -> list[dict[str, Any]]:
        endpoint = str(self.console.aws.endpoint).rstrip("/")
        try:
            with self._open(endpoint + MESSAGES, timeout=PATIENCE) as answer:
                accounts = json.load(answer).get("messages", {})
        except (URLError, OSError) as error:
            raise UnreachableError(f"The inbox does not answer: {error}", "Retrying.") from None
        except (ValueError, AttributeError):
            raise BadRequestError(f"There is no inbox at {endpoint}{MESSAGES}.") from None
        return [
            mail
            for mails in accounts.values()
            if isinstance(mails, list)
            for mail in mails
            if isinstance(mail, dict) and isinstance(mail.get("MessageId"), str)
        ]

    def mail(self, identifier: str) -> dict[str, Any]:
        for mail in self.mails():
            if mail["MessageId"] == identifier:
                return mail
        raise NotFoundError("There is no such mail in the inbox.")

    # -- Mails and runs ---------------------------------------------------------------------------

    def of_run(self, console: Console, run: Run) -> list[dict[str, Any]]:
        """The mails whose ids a run's log lines name, oldest first."""
        found = console.logs.known(run)
        if found is None or not console.local:
            return []
        named = {
            match for one in found.invocations for line in one.lines for match in _ID(line.raw)
        }
        return [mail for mail in reversed(self.mails()) if named and mail["MessageId"] in named]

    def left_behind(self, console: Console, run: Run) -> list[Link]:
        """A run's mails, for its page."""
        return [
            Link("mail", f"“{one['subject']}” to {', '.join(one['to'])}", _page(one), one["at"])
            for one in map(summary, self.of_run(console, run))
        ]

    def on_timeline(self, console: Console, run: Run) -> list[dict[str, Any]]:
        """A row of a run's timeline: its mails, each a mark."""
        mails = [summary(mail) for mail in self.of_run(console, run)]
        marks = [{"at": one["at"], "label": one["subject"], "link": _page(one)} for one in mails]
        return [row(OUTSIDE, "Mails", marks=marks)] if marks else []

    def run(self, console: Console, request: Request) -> dict[str, Any]:
        """The run that a mail is from, by the log of the function that sent it."""
        mail = self.mail(request.path_params["id"])
        identifier = mail["MessageId"]
        problems: list[dict[str, Any]] = []
        if identifier not in self._runs:
            found = self._sent_by(console, mail, problems)
            if found is None:
                return {"run": None, "problems": problems}
            self._runs[identifier] = found
        try:
            run = console.runs.get(self._runs[identifier])
        except NotFoundError:
            return {"run": None, "problems": problems}
        console.runs.detail([run], 1)
        return {"run": run.summary(), "problems": problems}

    def _sent_by(
        self, console: Console, mail: dict[str, Any], problems: list[dict[str, Any]]
    ) -> str | None:
        """The id of the run that the invocation that sent a mail belongs to.

        That is the execution which its log names, or else a run whose task it was.
        """
        at = summary(mail)["at"]
        sent, unread = console.logs.mentioning(mail["MessageId"], at, console.inventory)
        problems += unread
        for arn in (a for one in sent for line in one.lines for a in _EXECUTION.findall(line.raw)):
            if console.inventory.machine(machine_name(arn)):
                return run_id(arn)
        requests = {one.request_id for one in sent}
        if not requests:
            return None
        console.runs.refresh(older_than=1.0)
        for run in console.runs.page("", "", "", f"{at + 1}-", MOST_RUNS)[0]:
            if run.stopped_at is None or run.stopped_at + AFTER > at:
                recording = console.runs.recording(run)
                log = console.logs.of(run, recording, console.inventory, now())
                if any(one.request_id in requests for one in log.invocations):
                    return run.id
        return None

    # -- The page's requests ----------------------------------------------------------------------

    def listed(self, console: Console, request: Request) -> dict[str, Any]:
        mails = self.mails()
        return {"mails": [summary(mail) for mail in mails[:MOST]], "total": len(mails)}

    def read(self, console: Console, request: Request) -> dict[str, Any]:
        """One mail. Links whose secrets are hidden can be opened by their number."""
        mail = self.mail(request.path_params["id"])
        return summary(mail) | {
            "text": text_of(mail),
            "html": bool(html_of(mail)),
            "headers": headers(mail),
            "links": [
                {"number": number, "text": link, "opens": console.writable}
                for number, link in enumerate(links(mail))
            ],
            "attachments": [
                {"name": str(one.get("Filename") or one.get("Name") or one)}
                if isinstance(one, dict)
                else {"name": str(one)}
                for one in mail.get("Attachments") or []
            ],
        }

    def document(self, console: Console, request: Request) -> Response:
        """The mail's HTML, for a frame."""
        mail = self.mail(request.path_params["id"])
        headers = {
            "content-security-policy": _SANDBOX,
            "x-dns-prefetch-control": "off",
            "cache-control": "no-store",
        }
        body = console.redaction.text(html_of(mail))
        return Response(body, media_type="text/html", headers=headers)

    def follow(self, console: Console, request: Request) -> Response:
        """Open a link of a mail as its recipient would. Its secrets leave the server here only."""
        if not console.writable:
            raise NotAllowedError(
                "This console only reads, and a link may let its owner act.",
                "Start it with --allow-writes to open links.",
            )
        if request.headers.get("sec-fetch-dest", "document") != "document":
            raise NotAllowedError("A link of a mail opens in a window of its own.")
        found = links(self.mail(request.path_params["id"]))
        number = request.path_params["number"]
        if number >= len(found):
            raise NotFoundError("The mail has no such link.")
        return RedirectResponse(found[number], 303, headers={"cache-control": "no-store"})


def text_of(mail: dict[str, Any]) -> str:
    return str(mail.get("BodyText") or mail.get("RenderedBodyText") or "")


def html_of(mail: dict[str, Any]) -> str:
    return str(mail.get("BodyHtml") or mail.get("RenderedBodyHtml") or "")


def links(mail: dict[str, Any]) -> list[str]:
    """The web addresses in a mail's text, or in its HTML if it has no text."""
    text = text_of(mail) or html_of(mail).replace("&amp;", "&")
    return [link for link in dict.fromkeys(_LINK.findall(text)) if urlsplit(link).hostname]


def summary(mail: dict[str, Any]) -> dict[str, Any]:
    """A mail in the list."""
    text = " ".join((text_of(mail) or re.sub(r"<[^>]*>", " ", html_of(mail))).split())
    return {
        "id": mail["MessageId"],
        "at": round(float(mail.get("Timestamp") or 0) * 1000),
        "from": str(mail.get("Source") or ""),
        "to": _addresses(mail.get("To")),
        "cc": _addresses(mail.get("CC")),
        "bcc": _addresses(mail.get("BCC")),
        "subject": str(mail.get("Subject") or mail.get("RenderedSubject") or ""),
        "preview": text[:PREVIEW],
    }


def headers(mail: dict[str, Any]) -> list[dict[str, str]]:
    """What else the emulator knows of the mail: its type, its template, its configuration set."""
    found = [("From", str(mail.get("Source") or ""))]
    for name in ("To", "CC", "BCC"):
        if mail.get(name):
            found.append(
                (name.title() if name == "To" else name, ", ".join(_addresses(mail[name])))
            )
    found.append(("Subject", str(mail.get("Subject") or mail.get("RenderedSubject") or "")))
    found.append(("Message-ID", mail["MessageId"]))
    found += [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in mail.items()
        if name not in _NO_HEADERS and value
    ]
    return [{"name": name, "value": value} for name, value in found]


def _page(mail: dict[str, Any]) -> str:
    return f"inbox/{mail['id']}"


def _addresses(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def routes(server: Server) -> list[Route]:
    inbox = Inbox(server)
    server.poller.counters.append(inbox.count)
    server.poller.readers.append(inbox.news)
    server.contributions["mails"] = inbox.on_timeline
    server.remains["mails"] = inbox.left_behind
    return [
        server.get("inbox", inbox.listed),
        server.get("inbox/{id}/html", inbox.document),
        server.get("inbox/{id}/run", inbox.run),
        server.get("inbox/{id}/links/{number:int}", inbox.follow),
        server.get("inbox/{id}", inbox.read),
    ]
