"""Calls that must be refused, made with boto3: which code and status its users see.

    refusals.py ENDPOINT ACCESS_KEY SECRET SERIAL CODE
"""

import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, key, secret, serial, code = sys.argv[1:6]
once = Config(retries={"total_max_attempts": 1})


def client(service, key=key, secret=secret, token=None, region="us-east-1"):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        config=once,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )


def refused(expected, call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        seen = (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
        assert seen == expected, (seen, expected, error)
        return error.response["Error"]["Message"]
    raise AssertionError(f"{expected} did not come")


sts, iam = client("sts"), client("iam")
refused(("SignatureDoesNotMatch", 403), client("sts", secret="x" * 40).get_caller_identity)
refused(("InvalidClientTokenId", 403), client("sts", key="AKIATAPVAULTLABNONE2").get_caller_identity)
refused(("InvalidClientTokenId", 403), client("sts", region="cn-north-1").get_caller_identity)

credentials = sts.get_session_token(SerialNumber=serial, TokenCode=code)["Credentials"]
session = (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
message = refused(("AccessDenied", 403), sts.get_session_token, SerialNumber=serial, TokenCode=code)
assert message == "MultiFactorAuthentication failed with invalid MFA one time pass code. ", repr(message)
message = refused(("AccessDenied", 403), client("sts", *session).get_session_token)
assert message == "Cannot call GetSessionToken with session credentials", message
client("iam", *session).list_access_keys()

partner = {"RoleArn": "arn:aws:iam::444455556666:role/partner", "RoleSessionName": "lab"}
refused(("AccessDenied", 403), sts.assume_role, **partner)
sts.assume_role(ExternalId="tapvault-lab-7", **partner)
refused(("ValidationError", 400), sts.assume_role, ExternalId="tapvault-lab-7", DurationSeconds=3601, **partner)

iam.create_access_key()
try:
    iam.create_access_key()
except iam.exceptions.LimitExceededException as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 409, error
else:
    raise AssertionError("a third key was made")
try:
    iam.delete_access_key(AccessKeyId="AKIATAPVAULTLABNONE2")
except iam.exceptions.NoSuchEntityException:
    pass
else:
    raise AssertionError("a key that is not there was deleted")
print("refused as expected")
