"""Machines of a stack that has nothing of ours: what a console must be able to show."""

import json
from typing import Any

ROLE = "arn:aws:iam::000000000000:role/workbench"

# Each item either passes or fails; a failed item fails the Map.
ORDERS: dict[str, Any] = {
    "Comment": "Checks every order.",
    "StartAt": "Check Orders",
    "States": {
        "Check Orders": {
            "Type": "Map",
            "ItemsPath": "$.orders",
            "MaxConcurrency": 4,
            "Iterator": {
                "StartAt": "Is It Valid?",
                "States": {
                    "Is It Valid?": {
                        "Type": "Choice",
                        "Choices": [
                            {"Variable": "$.valid", "BooleanEquals": True, "Next": "Accept Order"}
                        ],
                        "Default": "Refuse Order",
                    },
                    "Accept Order": {"Type": "Pass", "End": True},
                    "Refuse Order": {
                        "Type": "Fail",
                        "Error": "InvalidOrderError",
                        "Cause": "The order has no address.",
                    },
                },
            },
            "Next": "All Checked",
        },
        "All Checked": {"Type": "Succeed"},
    },
}

# Each item is an execution of its own.
PARCELS: dict[str, Any] = {
    "StartAt": "Send Parcels",
    "States": {
        "Send Parcels": {
            "Type": "Map",
            "Label": "SendParcels",
            "ItemsPath": "$.parcels",
            "MaxConcurrency": 4,
            "ToleratedFailurePercentage": 100,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Weigh Parcel",
                "States": {
                    "Weigh Parcel": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Light?"},
                    "Light?": {
                        "Type": "Choice",
                        "Choices": [
                            {"Variable": "$.kilos", "NumericLessThan": 30, "Next": "Send Parcel"}
                        ],
                        "Default": "Refuse Parcel",
                    },
                    "Send Parcel": {"Type": "Pass", "End": True},
                    "Refuse Parcel": {
                        "Type": "Fail",
                        "Error": "TooHeavyError",
                        "Cause": "The parcel weighs 30 kg or more.",
                    },
                },
            },
            "Next": "Parcels Sent",
        },
        "Parcels Sent": {"Type": "Succeed"},
    },
}

# A branch that ends in a state that also catches: two ways lead on from it.
CAREFUL: dict[str, Any] = {
    "StartAt": "With Care",
    "States": {
        "With Care": {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": "Try",
                    "States": {
                        "Try": {
                            "Type": "Parallel",
                            "Branches": [
                                {
                                    "StartAt": "Inner",
                                    "States": {"Inner": {"Type": "Pass", "End": True}},
                                }
                            ],
                            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Give Up"}],
                            "End": True,
                        },
                        "Give Up": {"Type": "Pass", "End": True},
                    },
                }
            ],
            "End": True,
        }
    },
}

# Waits as long as the input says, beside a branch that is done at once.
PATIENCE: dict[str, Any] = {
    "StartAt": "Both",
    "States": {
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": "Be Patient",
                    "States": {
                        "Be Patient": {
                            "Type": "Wait",
                            "SecondsPath": "$.seconds",
                            "Next": "Patient",
                        },
                        "Patient": {"Type": "Pass", "End": True},
                    },
                },
                {"StartAt": "Be Quick", "States": {"Be Quick": {"Type": "Pass", "End": True}}},
            ],
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    },
}

ECHO: dict[str, Any] = {
    "StartAt": "Echo",
    "States": {"Echo": {"Type": "Pass", "End": True}},
}

# Waits for an event's consumer to return the token, without an end.
CALLBACK: dict[str, Any] = {
    "StartAt": "Ask",
    "States": {
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::events:putEvents.waitForTaskToken",
            "Parameters": {
                "Entries": [
                    {
                        "Source": "workbench",
                        "DetailType": "question",
                        "Detail": {"id.$": "$.id", "taskToken.$": "$$.Task.Token"},
                    }
                ]
            },
            "End": True,
        }
    },
}

# Puts an item into the stack's table.
NOTES: dict[str, Any] = {
    "StartAt": "Put Note",
    "States": {
        "Put Note": {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:putItem",
            "Parameters": {
                "TableName": "",  # the template has it
                "Item": {
                    "id": {"S.$": "$.id"},
                    "secret": {"S.$": "$.secret"},
                    "noted": {"BOOL": True},
                },
            },
            "End": True,
        }
    },
}

MACHINES = {
    "Orders": ORDERS,
    "Parcels": PARCELS,
    "Patience": PATIENCE,
    "Echo": ECHO,
    "Careful": CAREFUL,
    "Callback": CALLBACK,
    "Notes": NOTES,
}


def template(stack: str) -> str:
    """A CloudFormation template of these machines, named <stack>-orders …, and of a table."""
    resources: dict[str, Any] = {
        name: {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": f"{stack}-{name.lower()}",
                "RoleArn": ROLE,
                "DefinitionString": json.dumps(definition).replace(
                    '"TableName": ""', f'"TableName": "{stack}-table"'
                ),
            },
        }
        for name, definition in MACHINES.items()
    }
    resources["Table"] = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "TableName": f"{stack}-table",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        },
    }
    return json.dumps({"Resources": resources})
