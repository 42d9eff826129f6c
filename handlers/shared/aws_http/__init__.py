"""Requests to AWS with a tenth of boto3's CPU time: signature, endpoint, connections, batches.

For the few places that send thousands of requests (docs/decisions/0071-requests-without-boto3.md).
Everything else uses `handlers.shared.clients`.
"""
