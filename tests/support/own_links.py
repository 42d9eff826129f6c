"""Signing where no inbox can be read: with a code of our own in the links.

A mail's link has a code of which the table has only the hash. Whoever may write the table can add
the hash of another code. The request, the page, the routes and the callback are then those of a
person who follows the mail's link; that the mail has the right link is not seen.
"""

import hashlib
import secrets

from local.signing import Signing


class SigningWithOwnLinks(Signing):
    def links(self, document: str, subject: str = "Please sign") -> list[str]:
        return [self._link(request["requestId"]) for request in self.requests("pending", document)]

    def _link(self, request: str) -> str:
        code = secrets.token_urlsafe(32)
        self.aws.client("dynamodb").update_item(
            TableName=self.aws.outputs["SignatureRequestsTable"],
            Key={"requestId": {"S": request}},
            ConditionExpression="attribute_exists(requestId)",
            UpdateExpression="ADD codeHashes :hashes",
            ExpressionAttributeValues={
                ":hashes": {"SS": [hashlib.sha256(code.encode()).hexdigest()]}
            },
        )
        return f"{self.aws.outputs['ApiUrl']}/signatures/{request}?code={code}"
