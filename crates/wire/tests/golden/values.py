"""Shared by record.py and roundtrip.py: clients, and the marks that cases use for what JSON lacks."""

import base64
import datetime

import boto3
from botocore.config import Config

UTC = datetime.timezone.utc


def client_of(service, endpoint):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        config=Config(
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            inject_host_prefix=False,
            parameter_validation=False,
            request_checksum_calculation="when_required",
        ),
    )


def marked_to_python(value):
    if isinstance(value, dict):
        if "$blob" in value:
            return base64.b64decode(value["$blob"])
        if "$time" in value:
            return datetime.datetime.fromtimestamp(value["$time"], UTC)
        return {k: marked_to_python(v) for k, v in value.items()}
    if isinstance(value, list):
        return [marked_to_python(v) for v in value]
    return value


def marked_to_json(value):
    if isinstance(value, dict):
        for mark in ("$blob", "$time"):
            if mark in value:
                return value[mark]
        return {k: marked_to_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [marked_to_json(v) for v in value]
    return value
