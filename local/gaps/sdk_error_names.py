"""Error names of `aws-sdk:sfn:…` tasks: `Sfn.TaskTimedOutException`, with the suffix `Exception`.

ministack 1.5.33 uses the service's own codes, such as TaskTimedOut. Step Functions uses the class
names of the SDK for Java.
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
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
