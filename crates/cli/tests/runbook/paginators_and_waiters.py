"""Paginators and waiters of boto3, on the portal that runs."""

import os

import boto3
from botocore.config import Config

PAGES = Config(s3={"addressing_style": "path"})


def client(service):
    return boto3.client(
        service,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name=os.environ["AWS_REGION"],
        config=PAGES,
    )


def paged(service, operation, member, size, **arguments):
    pages = client(service).get_paginator(operation).paginate(
        PaginationConfig={"PageSize": size}, **arguments
    )
    found, sizes = [], []
    for page in pages:
        sizes.append(len(page.get(member, [])))
        found += page.get(member, [])
    assert max(sizes) <= size, sizes
    return found


cluster = "customer-order-portal-production"
ecs = client("ecs")
tasks = paged("ecs", "list_tasks", "taskArns", 1, cluster=cluster)
whole = ecs.list_tasks(cluster=cluster)["taskArns"]
print("tasks in pages of one:", "all" if sorted(tasks) == sorted(whole) else (tasks, whole))
print("services in pages of two:", len(paged("ecs", "list_services", "serviceArns", 2, cluster=cluster)))

ssm = client("ssm")
for n in range(5):
    ssm.put_parameter(Name=f"/pages/{n}", Type="String", Value=str(n))
found = paged("ssm", "get_parameters_by_path", "Parameters", 2, Path="/pages")
print("parameters in pages of two:", len({p["Name"] for p in found}))

s3 = client("s3")
s3.create_bucket(Bucket="pages", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
for n in range(5):
    s3.put_object(Bucket="pages", Key=str(n), Body=b"x")
found = paged("s3", "list_objects_v2", "Contents", 2, Bucket="pages")
print("objects in pages of two:", len({o["Key"] for o in found}))

ecs.get_waiter("services_stable").wait(cluster=cluster, services=["gateway-service"])
print("services stable")
elb = client("elbv2")
elb.get_waiter("load_balancer_available").wait(Names=["portal-production-alb"])
print("load balancer available")
group = elb.describe_target_groups(Names=["portal-production-gateway"])["TargetGroups"][0]
elb.get_waiter("target_in_service").wait(TargetGroupArn=group["TargetGroupArn"])
print("targets in service")
