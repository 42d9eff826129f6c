"""AWS's prices in us-east-1, in USD, without the free tiers. Check them before you rely on them.

The source of each is AWS's page. In November 2026 all but that of an import were compared with
copies of these pages and with what others write, not with the pages themselves.
"""

AS_OF = "December 2025"

PRICES = {
    # https://aws.amazon.com/dynamodb/pricing/on-demand/: $0.625 a million
    "write request unit": 0.625 / 1e6,
    # The same page: $0.15 for each GB of uncompressed data
    "import of a GB": 0.15,
    # https://aws.amazon.com/lambda/pricing/: arm64, first tier
    "Lambda GB-second": 0.0000133334,
    "Lambda request": 0.20 / 1e6,
    # https://aws.amazon.com/step-functions/pricing/: Standard workflows, child executions as well
    "state transition": 0.025 / 1e3,
    # https://aws.amazon.com/s3/pricing/: S3 Standard
    "S3 GET": 0.0004 / 1e3,
    "S3 PUT": 0.005 / 1e3,
}
