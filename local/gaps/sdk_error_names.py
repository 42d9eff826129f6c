"""Error names of `aws-sdk:sfn:…` tasks: `Sfn.TaskTimedOutException`, with its last word.

ministack 1.5.33 has the service's own codes, such as TaskTimedOut; Step Functions has the names of
the Java SDK's classes. https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
"""

from ministack.services import stepfunctions as sfn

CODES = (
    "ExecutionAlreadyExists",
    "ExecutionDoesNotExist",
    "InvalidArn",
    "InvalidExecutionInput",
    "InvalidName",
    "InvalidOutput",
    "InvalidToken",
    "StateMachineDoesNotExist",
    "TaskDoesNotExist",
    "TaskTimedOut",
)


def install() -> None:
    sfn._AWS_SDK_ERROR_CODE_OVERRIDES["sfn"] = {code: f"{code}Exception" for code in CODES}
