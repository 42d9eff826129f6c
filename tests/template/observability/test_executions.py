"""Who may read which executions."""

from tests.support.packaged import Package

ROUTE = "ApiGatewayMethodExecutionsExecutionarnVarGet"


def test_only_signed_requests_are_accepted(dev: Package) -> None:
    method = dev.template["Resources"][ROUTE]["Properties"]

    assert method["AuthorizationType"] == "AWS_IAM"


def test_executions_of_our_machines_can_be_described_and_of_no_others(dev: Package) -> None:
    function = dev.template["Resources"]["GetExecutionLambdaFunction"]["Properties"]
    statements = [
        statement
        for statement in dev.statements(dev.role_of(function))
        if not statement.actions[0].startswith(("xray:", "logs:"))
    ]
    prefix = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:"
    standard = {  # the executions of the others, Express machines, cannot be described
        properties["StateMachineName"]
        for properties in dev.resources("AWS::StepFunctions::StateMachine").values()
        if properties["StateMachineType"] == "STANDARD"
    }

    (statement,) = statements
    assert statement.actions == ("states:DescribeExecution",)
    assert set(statement.resources) == {f"{prefix}{name}:*" for name in standard}
