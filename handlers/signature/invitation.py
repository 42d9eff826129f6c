"""The mails that ask a signer: the first mail and the reminder."""

from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from handlers.shared import settings
from handlers.shared.mail import Mail, send_once
from handlers.shared.text import one_line
from handlers.signature.request import SignatureRequest

MAX_NAME = 200  # characters


def invite(request: SignatureRequest, code: str) -> dict[str, str]:
    """Send the first mail, at most once per request (see `send_once`)."""
    return _send(request, code, "Please sign", "signature-request")


def remind(request: SignatureRequest, code: str) -> dict[str, str]:
    """Send the reminder, at most once per request."""
    return _send(request, code, "Reminder: please sign", "signature-reminder")


def readable(seconds: float) -> str:
    """A time for people: Saturday, 31 January 2026, 12:00 UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%A, %-d %B %Y, %H:%M} UTC"


def _send(request: SignatureRequest, code: str, subject: str, kind: str) -> dict[str, str]:
    owner, link = settings.text("OWNER_EMAIL"), f"{request.page_url}?code={quote(code)}"
    signer, document = one_line(request.signer, MAX_NAME), one_line(request.document_id, MAX_NAME)
    lines = [
        f"Hello {signer},",
        f"{owner} asks you to sign document {document}.",
        f"Open this page to sign it, or to decline, before {readable(request.expires_at)}:",
    ]
    note = (
        "The link is for you only: anyone who has it can sign in your name. Opening the link does "
        "not sign the document. If you did not expect this mail, you can ignore it."
    )
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
    mail = Mail(
        sender=settings.text("EMAIL_FROM"),
        recipient=settings.text("SIGNER_EMAIL"),
        subject=f"{subject} document {document}",
        text="\n\n".join([*lines, link, note]) + "\n",
        html=(
            f'<!doctype html><html lang="en"><body>{paragraphs}'
            f'<p><a href="{escape(link)}">Sign or decline document '
            f"{escape(document)}</a></p><p>{escape(note)}</p></body></html>"
        ),
    )
    return send_once(mail, key=f"{kind}#{request.request_id}", execution=request.execution)
