"""Records what boto3 sends for each case of cases.json into requests.json: raw request and the
input a server should read from it. `python3 record.py`, when cases are added or boto3 is newer."""

import base64
import json
import pathlib

import boto3

from values import client_of, marked_to_json, marked_to_python

HERE = pathlib.Path(__file__).parent


class Sent(Exception):
    pass


def main():
    recorded = []
    for case in json.loads((HERE / "cases.json").read_text()):
        client = client_of(case["service"], "http://127.0.0.1:4566")
        seen = []

        def keep(request, **_):
            seen.append(request)
            raise Sent

        client.meta.events.register("before-send", keep)
        names = {v: k for k, v in client.meta.method_to_api_mapping.items()}
        try:
            getattr(client, names[case["operation"]])(**marked_to_python(case["params"]))
        except Sent:
            pass
        (request,) = seen
        body = request.body or b""
        if hasattr(body, "read"):
            body = body.read()
        if isinstance(body, str):
            body = body.encode()
        headers = [["Host", "127.0.0.1:4566"]]
        for name, value in request.headers.items():
            if name in ("User-Agent", "amz-sdk-invocation-id", "amz-sdk-request"):
                continue  # Not signed, and different on every machine.
            value = value.decode() if isinstance(value, bytes) else value
            headers.append([name, value])
        recorded.append(
            {
                "name": case["name"],
                "service": case["service"],
                "operation": case["operation"],
                "method": request.method,
                "uri": request.url.split("127.0.0.1:4566", 1)[1],
                "headers": headers,
                "body": base64.b64encode(body).decode(),
                "input": marked_to_json(case["params"]),
            }
        )
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in recorded)
    (HERE / "requests.json").write_text(f"[\n{lines}\n]\n")
    print(f"{len(recorded)} requests of boto3 {boto3.__version__}")


main()
