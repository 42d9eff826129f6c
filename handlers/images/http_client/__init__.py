"""An HTTP client for addresses that strangers choose: it downloads one body, or says why not.

It promises:
- The body is complete and unchanged: no content coding is undone, and a response that holds more
  or less than it announced is refused.
- A download ends at its time limit, even if the server keeps sending a byte now and then.
- 429, 5xx and broken connections are retried with random, growing pauses or after `Retry-After`, in
  three attempts at most.
- Every failure is a DownloadError with a short reason and, if there was a response, its status.

It refuses:
- Hosts with an address that is not public, unless the caller passes a resolver that allows them.
  The address that was checked is the one it connects to, for every redirect as well.
- Schemes other than http and https, and credentials in a URL.
- More than five redirects, more bytes than the caller allows, TLS without a trusted certificate.
- State: no cookies, no proxy and no `.netrc` from the environment.

`Fetcher.fetch` in `fetch.py` is the entry. `connections.py` checks the host and reads each response
to its end, `time_limit.py` ends what takes too long, `public_addresses.py` and `addresses.py` say
which hosts and URLs are allowed. This file imports nothing, because `requests` is slow to import
and most functions of the workflow need no more than `errors.py`.
"""
