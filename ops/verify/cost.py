"""What the checks cost on AWS: what they used, counted, at prices of a date. An estimate.

Not counted: storage, metrics and logs of a few minutes, and calls that only read.
"""

from collections.abc import Mapping

from bench.model.prices import AS_OF, PRICES

__all__ = ["AS_OF", "USD", "estimate"]

USD = {
    **{name: PRICES[name] for name in ("state transition", "S3 PUT", "write request unit")},
    **{name: PRICES[name] for name in ("Lambda request", "Lambda GB-second")},
    # https://aws.amazon.com/ses/pricing/: $0.10 a thousand
    "mail": 0.10 / 1e3,
    # https://aws.amazon.com/eventbridge/pricing/: $1.00 a million
    "event": 1.00 / 1e6,
    # https://aws.amazon.com/api-gateway/pricing/: REST, $3.50 a million
    "API request": 3.50 / 1e6,
    # https://aws.amazon.com/sqs/pricing/ and /sns/pricing/: $0.40 and $0.50 a million
    "message": 0.50 / 1e6,
    # https://aws.amazon.com/cloudwatch/pricing/: $0.10 for an alarm and month, at least an hour
    "alarm": 0.10 / 720,
}


def estimate(counts: Mapping[str, float]) -> float:
    """USD for what was used. KeyError for what has no price."""
    return sum(USD[name] * count for name, count in counts.items())
