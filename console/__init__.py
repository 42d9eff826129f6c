"""A web page, its server and a command line for the Step Functions machines of any stack.

It knows no workflow. It is given the name of a CloudFormation stack, and reads everything else
through public AWS APIs.
"""
