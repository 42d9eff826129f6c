"""The mail to a document's owner when it was not signed."""

from collections.abc import Mapping
from html import escape
from typing import Any

from handlers.shared import settings
from handlers.shared.events import field
from handlers.shared.mail import Mail, send_once
from handlers.shared.text import one_line
from handlers.signature.request import Status

MAX_SAID = 1000  # characters


def announce(event: Mapping[str, Any]) -> dict[str, str]:
    """Tell the owner who has not signed and why, at most once per execution (see `send_once`)."""
    document, execution = (
        one_line(field(event, name), MAX_SAID) for name in ("documentId", "execution")
    )
    gathered: list[Mapping[str, str]] = list(field(event, "gathered").values())
    declined = any(one["outcome"] == Status.DECLINED for one in gathered)
    subject = f"Document {document} was {'declined' if declined else 'not signed'}"
    lead = f"{subject}. It needed {len(gathered)} signatures:"
    says = [f"{one_line(one['says'], MAX_SAID)}." for one in gathered]
    advice = (
        "What to do: once the matter is settled, start the document again. Signatures that were "
        "given are not carried over."
    )
    items = "".join(f"<li>{escape(one)}</li>" for one in says)
    mail = Mail(
        sender=settings.text("EMAIL_FROM"),
        recipient=settings.text("OWNER_EMAIL"),
        subject=subject,
        text="\n\n".join(
            [lead, "\n".join(f"- {one}" for one in says), advice, f"Execution: {execution}"]
        )
        + "\n",
        html=(
            f'<!doctype html><html lang="en"><body><p>{escape(lead)}</p><ul>{items}</ul>'
            f"<p>{escape(advice)}</p><p>Execution: {escape(execution)}</p></body></html>"
        ),
    )
    return send_once(mail, key=f"unsigned-document#{execution}")
