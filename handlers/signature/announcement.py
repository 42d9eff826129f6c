"""The mail to a document's owner when it was not signed."""

from collections.abc import Mapping
from html import escape
from typing import Any

from handlers.shared import settings
from handlers.shared.events import field
from handlers.shared.mail import Mail, send_once
from handlers.shared.text import one_line
from handlers.signature.request import Status

MAX_TEXT = 1000  # characters


def announce(event: Mapping[str, Any]) -> dict[str, str]:
    """Tell the owner who has not signed and why, at most once per execution (see `send_once`)."""
    document, execution = (
        one_line(field(event, name), MAX_TEXT) for name in ("documentId", "execution")
    )
    signers: list[Mapping[str, str]] = list(field(event, "gathered").values())
    declined = any(signer["outcome"] == Status.DECLINED for signer in signers)
    subject = f"Document {document} was {'declined' if declined else 'not signed'}"
    lead = f"{subject}. It needed {len(signers)} signatures:"
    summaries = [f"{one_line(signer['summary'], MAX_TEXT)}." for signer in signers]
    advice = (
        "What to do: when the reason is resolved, start the workflow for the document again. "
        "Earlier signatures are not reused."
    )
    items = "".join(f"<li>{escape(summary)}</li>" for summary in summaries)
    mail = Mail(
        sender=settings.text("EMAIL_FROM"),
        recipient=settings.text("OWNER_EMAIL"),
        subject=subject,
        text="\n\n".join(
            [
                lead,
                "\n".join(f"- {summary}" for summary in summaries),
                advice,
                f"Execution: {execution}",
            ]
        )
        + "\n",
        html=(
            f'<!doctype html><html lang="en"><body><p>{escape(lead)}</p><ul>{items}</ul>'
            f"<p>{escape(advice)}</p><p>Execution: {escape(execution)}</p></body></html>"
        ),
    )
    return send_once(mail, key=f"unsigned-document#{execution}", execution=execution)
