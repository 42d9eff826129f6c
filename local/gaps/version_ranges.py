"""A range of a version of an object.

ministack 1.5.33 ignores the Range header of a GetObject with a version id, and returns the whole
version. On AWS the response is 206 Partial Content
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
"""

from typing import Any

from ministack.services import s3

_get_object_upstream = s3._get_object
# Of the whole version. AWS does not return it with a part, and a client would compare the two.
_CHECKSUM = "x-amz-checksum-"


def get_object(
    bucket: str, key: str, headers: dict[str, str], query: dict[str, Any] | None = None
) -> Any:
    response = _get_object_upstream(bucket, key, headers, query)
    status, response_headers, body = response
    wanted = headers.get("range")
    if not wanted or status != 200 or not (query or {}).get("versionId"):
        return response
    found = s3._parse_range(wanted, len(body))
    if found is None:
        error = s3._xml_body(s3._range_error_xml(bucket, key))
        return 416, {"Content-Range": f"bytes */{len(body)}"}, error
    first, last = found
    part = body[first : last + 1]
    kept = {
        name: value
        for name, value in response_headers.items()
        if not name.lower().startswith(_CHECKSUM)
    }
    content_range = f"bytes {first}-{last}/{len(body)}"
    return 206, kept | {"Content-Length": str(len(part)), "Content-Range": content_range}, part


def install() -> None:
    s3._get_object = get_object
