"""An IAM user with a key of its own, who may do what a test says and nothing else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.credentials import Credentials

from local.aws import Deployment


@contextmanager
def user(aws: Deployment, *statements: dict[str, Any]) -> Iterator[Credentials]:
    iam = aws.client("iam")
    name = aws.name()
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"} | s for s in statements]}
    iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        yield Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="may")
        iam.delete_user(UserName=name)


def api_arn(aws: Deployment, route: str) -> str:
    """What `execute-api:Invoke` is allowed on: `POST/documents`, `GET/messages/*` …"""
    api = aws.resource("ApiGatewayRestApi")
    return f"arn:aws:execute-api:{aws.region}:{aws.account}:{api}/{aws.stage}/{route}"
