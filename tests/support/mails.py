"""What can be seen of a mail from outside: the record that SES accepted it."""

import hashlib
import json
from typing import Any

from local.aws import Deployment, until


def accepted(aws: Deployment, key: str) -> str:
    """SES's id of the mail with this key (`send_once`), once the log of mails has it.

    SES returns an id if sender, recipient and the function's role are allowed. Nobody can see from
    outside whether the mail reached the mailbox.
    """
    record = f"mail#{hashlib.sha256(json.dumps(key).encode()).hexdigest()}"

    def look() -> dict[str, Any] | None:
        item = (
            aws.client("dynamodb")
            .get_item(
                TableName=aws.resource("EmailLogTable"),
                Key={"id": {"S": record}},
                ConsistentRead=True,
            )
            .get("Item")
        )
        return item if item and item["status"]["S"] == "COMPLETED" else None

    outcome = json.loads(until(f"the record of the mail {key}", look)["data"]["S"])
    assert outcome["status"] == "sent", f"the outcome of the mail {key} is {outcome['status']}"
    return str(outcome["messageId"])
