"""An HTTP client for untrusted URLs: it downloads one body or reports why it cannot.

It promises:
- The body is complete and unchanged: content codings stay, and a response that is longer or
  shorter than its declared length is refused.
- A download ends at its time limit, even if the server keeps sending single bytes.
- 429, 5xx and broken connections are retried after `Retry-After` or with exponential backoff and
  jitter, in at most three attempts.
- Every failure is a DownloadError with a short reason and, if there was a response, its status.

It refuses:
- Hosts with an address that is not public, unless the caller passes a resolver that allows them.
  It connects to the address that it checked, also for every redirect.
- Schemes other than http and https, and credentials in a URL.
- More than five redirects, more bytes than the caller allows, TLS without a trusted certificate.
- State: no cookies, no proxy and no `.netrc` from the environment.

`Fetcher.fetch` in `fetch.py` is the entry point. `connections.py` checks the host and reads each
response to its end. `time_limit.py` ends downloads that take too long. `public_addresses.py` and
`addresses.py` decide which hosts and URLs are allowed. This file imports nothing, because
`requests` is slow to import and most functions of the workflow only need `errors.py`.
"""
