"""Calls that all go well, made with boto3; prints the shape of each answer as JSON.

A shape is the list of the paths of all values in an answer, with their types: what an SDK's user can rely on. The
Rust test runs this against the stand-in and against moto and compares.

    happy_path.py ENDPOINT ACCESS_KEY SECRET [--make-user]

With --make-user it first makes what the stand-in's sample world has from the start.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys
import time

import boto3

endpoint, key, secret = sys.argv[1:4]


def client(service, key=key, secret=secret, token=None):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )


def code(seed, step):
    """RFC 6238, written here once more: the stand-in must not be its own witness."""
    digest = hmac.new(base64.b32decode(seed), struct.pack(">Q", step), hashlib.sha1).digest()
    start = digest[-1] & 15
    return "%06d" % ((struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF) % 1000000)


def shape(value, path=""):
    if isinstance(value, dict):
        return sorted({line for name in value for line in shape(value[name], f"{path}.{name}")})
    if isinstance(value, list):
        return sorted({line for item in value for line in shape(item, path + "[]")} or {path + "[]"})
    return [f"{path}: {type(value).__name__}"]


shapes = {}


def call(service, operation, **parameters):
    answer = getattr(service, operation)(**parameters)
    metadata = answer.pop("ResponseMetadata")
    assert metadata["HTTPStatusCode"] == 200 and metadata["RequestId"], metadata
    shapes[operation] = shape(answer)
    return answer


sts, iam = client("sts"), client("iam")
role = "arn:aws:iam::444455556666:role/"

if "--make-user" in sys.argv:
    iam.create_user(UserName="ana")
    iam.create_account_alias(AccountAlias="lab")

call(sts, "get_caller_identity")
call(iam, "get_user", UserName="ana")
made = call(iam, "create_virtual_mfa_device", VirtualMFADeviceName="lab")["VirtualMFADevice"]
serial, seed = made["SerialNumber"], made["Base32StringSeed"]
step = int(time.time()) // 30
call(
    iam,
    "enable_mfa_device",
    UserName="ana",
    SerialNumber=serial,
    AuthenticationCode1=code(seed, step - 1),
    AuthenticationCode2=code(seed, step),
)
call(iam, "list_mfa_devices", UserName="ana")
call(iam, "list_virtual_mfa_devices", AssignmentStatus="Assigned")
call(sts, "get_session_token", DurationSeconds=900, SerialNumber=serial, TokenCode=code(seed, step + 1))

assumed = call(sts, "assume_role", RoleArn=role + "reader", RoleSessionName="lab", DurationSeconds=900)["Credentials"]
session = client("sts", assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])
answer = session.get_caller_identity()
assert answer["Arn"] == "arn:aws:sts::444455556666:assumed-role/reader/lab", answer
shapes["get_caller_identity of a role"] = shape({k: v for k, v in answer.items() if k != "ResponseMetadata"})

call(sts, "get_federation_token", Name="bob", DurationSeconds=900)
call(sts, "get_access_key_info", AccessKeyId=key)

fresh = call(iam, "create_access_key", UserName="ana")["AccessKey"]["AccessKeyId"]
call(iam, "list_access_keys", UserName="ana")
call(iam, "get_access_key_last_used", AccessKeyId=fresh)
call(iam, "update_access_key", UserName="ana", AccessKeyId=fresh, Status="Inactive")
call(iam, "delete_access_key", UserName="ana", AccessKeyId=fresh)
call(iam, "deactivate_mfa_device", UserName="ana", SerialNumber=serial)
call(iam, "delete_virtual_mfa_device", SerialNumber=serial)
call(iam, "list_account_aliases")

json.dump(shapes, sys.stdout, indent=1, sort_keys=True)
