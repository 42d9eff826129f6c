"""The pages for a signer: complete HTML documents without scripts."""

from html import escape

from handlers.shared.text import one_line
from handlers.signature.invitation import readable
from handlers.signature.request import MAX_REASON, SignatureRequest, Status

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --back: #eef1f5; --line: #c3cad4;
  --soft: #55606f; --sign: #14632f; --decline: #9b1c1c; --on: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf2; --paper: #1b222c; --back: #11161d;
  --line: #3f4a59; --soft: #a9b4c2; --sign: #7ee2a0; --decline: #ffaaa5; --on: #10151b; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 1rem; background: var(--back); color: var(--ink);
  font: 1.0625rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 34rem; margin: 4vh auto; padding: 1.5rem; background: var(--paper);
  border: 1px solid var(--line); border-radius: .75rem; overflow-wrap: anywhere; }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25; }
h2 { margin: 0 0 .5rem; font-size: 1.0625rem; }
dl { margin: 0 0 1.5rem; }
dt { color: var(--soft); font-size: .9375rem; }
dd { margin: 0 0 .75rem; }
label { display: block; margin-bottom: .25rem; }
.hint { color: var(--soft); font-size: .9375rem; }
textarea { width: 100%; min-height: 5.5rem; padding: .625rem; font: inherit; color: inherit;
  background: transparent; border: 1px solid var(--soft); border-radius: .5rem; }
button { width: 100%; min-height: 3rem; margin-top: .75rem; padding: .625rem 1rem; font: inherit;
  font-weight: 600; border: 2px solid transparent; border-radius: .5rem; cursor: pointer; }
.sign { margin-top: 0; background: var(--sign); color: var(--on); }
.decline { background: transparent; border-color: var(--decline); color: var(--decline); }
section { margin-top: 2rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
:focus-visible { outline: 3px solid #3b82f6; outline-offset: 2px; }
"""


def ask(request: SignatureRequest, owner: str) -> str:
    """The document to sign, and two forms: one signs, the other declines.

    The forms are sent to the page's own URL, which has the code. The HTML itself does not have it.
    """
    return _page(
        f"Sign document {request.document_id}",
        f"""<dl>
<dt>Document</dt><dd>{escape(request.document_id)}</dd>
<dt>To be signed by</dt><dd>{escape(request.signer)}</dd>
<dt>Asked by</dt><dd>{escape(owner)}</dd>
<dt>Until</dt><dd>{escape(readable(request.expires_at))}</dd>
</dl>
<form method="post">
<button class="sign" name="decision" value="sign">Sign document {escape(request.document_id)}\
</button>
</form>
<section aria-labelledby="declining">
<h2 id="declining">Do you not want to sign?</h2>
<form method="post">
<label for="reason">Reason \
<span class="hint">(optional; {escape(owner)} will read it)</span></label>
<textarea id="reason" name="reason" maxlength="{MAX_REASON}"></textarea>
<button class="decline" name="decision" value="decline">Decline to sign</button>
</form>
</section>""",
    )


def decided(request: SignatureRequest, *, just_now: bool) -> str:
    """A finished request. Only visitors with the right code get this page."""
    title, details = {
        Status.SIGNED: (f"You signed document {request.document_id}", ""),
        Status.DECLINED: (f"You declined to sign document {request.document_id}", request.reason),
        Status.CANCELLED: (
            f"Document {request.document_id} no longer needs your signature",
            request.reason,
        ),
    }[request.status]
    when = readable(request.finished_at or request.expires_at)
    lead = (
        f"Thank you. Your decision was recorded on {when}."
        if just_now
        else f"This request was already finished on {when}."
    )
    reason = f"<dl><dt>Reason</dt><dd>{escape(one_line(details, MAX_REASON))}</dd></dl>"
    return _page(
        title,
        f'<p role="status">{escape(lead)} There is nothing more for you to do; you may close this '
        f"page.</p>{reason if details else ''}",
    )


def undelivered(request: SignatureRequest) -> str:
    """A decision that is stored but that the machine has not confirmed."""
    signed = request.status is Status.SIGNED
    subject, value = ("signature", "sign") if signed else ("decision", "decline")
    choice = "sign" if signed else "decline to sign"
    when = readable(request.finished_at or request.expires_at)
    return _page(
        f"Your {subject} is stored, but not delivered yet",
        f"""<p role="status">You chose to {choice} document {escape(request.document_id)} on \
{escape(when)}. That is stored, but the workflow that waits for your {subject} has not confirmed \
it.</p>
<p>It is sent again automatically every few minutes; come back to this page to see whether it was \
delivered. Or send it again now:</p>
<form method="post">
<button class="{value}" name="decision" value="{value}">Send it again</button>
</form>""",
    )


def not_found() -> str:
    """The same page for a wrong code, an unknown request and an expired request."""
    return _page(
        "There is nothing to sign here",
        "<p>The link is incomplete, or it has expired. If you copied it from a mail, make sure "
        "that you copied all of it; or ask the person who needs your signature for a new one.</p>",
    )


def no_decision() -> str:
    return _page("Please choose", "<p>Go back, and choose to sign or to decline.</p>")


def unavailable() -> str:
    return _page(
        "Please try again",
        "<p>A service did not respond in time. Open the link in your mail again in a minute: the "
        "page shows what is stored. If you have just decided, your decision may be stored already; "
        "no document is signed twice.</p>",
    )


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{body}
</main>
</body>
</html>
"""
