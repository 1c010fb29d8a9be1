"""Sends each case of cases.json with boto3 to the server at argv[1] and compares what comes back.
Prints one line per difference; exits 1 when there is one."""

import json
import pathlib
import sys

from botocore.exceptions import ClientError

from values import client_of, marked_to_python

HERE = pathlib.Path(__file__).parent
clients = {}
differences = 0


def differ(case, what):
    global differences
    differences += 1
    print(f"{case['service']} {case['operation']} ({case['name']}): {what}")


for case in json.loads((HERE / "cases.json").read_text()):
    service = case["service"]
    if service not in clients:
        clients[service] = client_of(service, sys.argv[1])
    client = clients[service]
    names = {v: k for k, v in client.meta.method_to_api_mapping.items()}
    call = getattr(client, names[case["operation"]])
    expected_error = case.get("error")
    try:
        answer = call(**marked_to_python(case["params"]))
    except ClientError as error:
        if expected_error is None:
            differ(case, f"unexpected {error!r}")
            continue
        code = expected_error.get("answered", expected_error["code"])
        got = error.response
        status = got["ResponseMetadata"]["HTTPStatusCode"]
        found = (got["Error"]["Code"], got["Error"]["Message"], status)
        wanted = (code, expected_error["message"], expected_error["status"])
        if found != wanted:
            differ(case, f"error {found}, not {wanted}")
        if not got["ResponseMetadata"].get("RequestId"):
            differ(case, "no request id")
        continue
    except Exception as error:
        differ(case, f"unexpected {error!r}")
        continue
    if expected_error is not None:
        differ(case, f"no error but {answer}")
        continue
    if not answer.pop("ResponseMetadata").get("RequestId"):
        differ(case, "no request id")
    if "Body" in answer:
        answer["Body"] = answer["Body"].read()
    expected = marked_to_python(case["output"])
    if answer != expected:
        differ(case, f"\n  got      {answer}\n  expected {expected}")

sys.exit(1 if differences else 0)
