//! What delivers and watches a system: the Code services, CloudTrail, GuardDuty.

use serde_json::{Value, json};

use crate::rig::{Rig, text};

#[track_caller]
fn call(rig: &mut Rig, service: &str, name: &str, input: Value) -> Value {
    rig.call(service, name, input).unwrap_or_else(|error| panic!("{service} {name}: {error}"))
}

fn action(category: &str, configuration: Value) -> Value {
    json!({
        "name": category,
        "actionTypeId": { "category": category, "owner": "AWS", "provider": "x", "version": "1" },
        "configuration": configuration,
    })
}

fn pipeline(first: Value, second: Value) -> Value {
    json!({ "pipeline": {
        "name": "shop",
        "roleArn": "arn:aws:iam::000000000000:role/pipeline",
        "artifactStore": { "type": "S3", "location": "artifacts" },
        "stages": [
            { "name": "Source", "actions": [first] },
            { "name": "Build", "actions": [second] },
        ],
    } })
}

#[test]
fn a_pipeline_begins_with_its_source_and_shows_no_token() {
    let mut rig = Rig::new();
    let source = action("Source", json!({ "Repo": "shop", "OAuthToken": "hunter2" }));
    let good = pipeline(source.clone(), action("Build", json!({})));
    for bad in [
        pipeline(action("Build", json!({})), action("Build", json!({}))),
        pipeline(source.clone(), source),
    ] {
        let refused = rig.refuses("codepipeline", "CreatePipeline", bad);
        assert_eq!(refused.0, "InvalidStructureException");
    }
    call(&mut rig, "codepipeline", "CreatePipeline", good.clone());
    let refused = rig.refuses("codepipeline", "CreatePipeline", good.clone());
    assert_eq!(refused.0, "PipelineNameInUseException");
    call(&mut rig, "codepipeline", "UpdatePipeline", good);
    let read = call(&mut rig, "codepipeline", "GetPipeline", json!({ "name": "shop" }));
    assert_eq!(read["pipeline"]["version"], 2);
    let configuration = &read["pipeline"]["stages"][0]["actions"][0]["configuration"];
    assert_eq!(configuration, &json!({ "Repo": "shop", "OAuthToken": "****" }));
    assert!(read["metadata"]["created"].is_number());
    let kept = rig.platform.notes_starting("record:").any(|(_, text)| text.contains("hunter2"));
    assert!(!kept, "the token is in no record");
    let tags = json!({
        "resourceArn": read["metadata"]["pipelineArn"],
        "tags": [{ "key": "team", "value": "a" }],
    });
    call(&mut rig, "codepipeline", "TagResource", tags.clone());
    let read = call(&mut rig, "codepipeline", "ListTagsForResource", tags);
    assert_eq!(read["tags"], json!([{ "key": "team", "value": "a" }]));
    call(&mut rig, "codepipeline", "DeletePipeline", json!({ "name": "shop" }));
    let refused = rig.refuses("codepipeline", "GetPipeline", json!({ "name": "shop" }));
    assert_eq!(refused.0, "PipelineNotFoundException");
}

#[test]
fn a_deployment_group_of_ecs_shifts_between_two_target_groups() {
    let mut rig = Rig::new();
    let app = json!({ "applicationName": "shop", "computePlatform": "ECS" });
    call(&mut rig, "codedeploy", "CreateApplication", app.clone());
    let refused = rig.refuses("codedeploy", "CreateApplication", app.clone());
    assert_eq!(refused.0, "ApplicationAlreadyExistsException");
    let group = json!({
        "applicationName": "shop",
        "deploymentGroupName": "web",
        "serviceRoleArn": "arn:aws:iam::000000000000:role/deploy",
        "deploymentStyle":
            { "deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL" },
        "ecsServices": [{ "clusterName": "main", "serviceName": "web" }],
        "loadBalancerInfo": { "targetGroupPairInfoList": [{
            "targetGroups": [{ "name": "blue" }, { "name": "green" }],
            "prodTrafficRoute": { "listenerArns": ["arn:l"] },
        }] },
    });
    for (member, value, code) in [
        ("deploymentStyle", json!({}), "InvalidDeploymentStyleException"),
        ("ecsServices", json!([]), "InvalidECSServiceException"),
        ("loadBalancerInfo", json!({}), "InvalidTargetGroupPairException"),
        ("deploymentConfigName", json!("none"), "DeploymentConfigDoesNotExistException"),
        ("applicationName", json!("none"), "ApplicationDoesNotExistException"),
    ] {
        let mut bad = group.clone();
        bad[member] = value;
        assert_eq!(rig.refuses("codedeploy", "CreateDeploymentGroup", bad).0, code);
    }
    let made = call(&mut rig, "codedeploy", "CreateDeploymentGroup", group);
    let rename = json!({ "applicationName": "shop", "newApplicationName": "store" });
    call(&mut rig, "codedeploy", "UpdateApplication", rename);
    let update = json!({
        "applicationName": "store",
        "currentDeploymentGroupName": "web",
        "newDeploymentGroupName": "site",
        "deploymentConfigName": "CodeDeployDefault.ECSCanary10Percent5Minutes",
    });
    call(&mut rig, "codedeploy", "UpdateDeploymentGroup", update);
    let site = json!({ "applicationName": "store", "deploymentGroupName": "site" });
    let read = call(&mut rig, "codedeploy", "GetDeploymentGroup", site.clone());
    let info = &read["deploymentGroupInfo"];
    assert_eq!(info["deploymentGroupId"], made["deploymentGroupId"]);
    assert_eq!(info["deploymentConfigName"], "CodeDeployDefault.ECSCanary10Percent5Minutes");
    assert_eq!(info["ecsServices"][0]["serviceName"], "web", "what was not mentioned stays");
    let arn = "arn:aws:codedeploy:us-east-1:000000000000:deploymentgroup:store/site";
    let tags = json!({ "ResourceArn": arn, "Tags": [{ "Key": "team", "Value": "a" }] });
    call(&mut rig, "codedeploy", "TagResource", tags);
    let read = call(&mut rig, "codedeploy", "ListTagsForResource", json!({ "ResourceArn": arn }));
    assert_eq!(read["Tags"], json!([{ "Key": "team", "Value": "a" }]));
    call(&mut rig, "codedeploy", "DeleteApplication", json!({ "applicationName": "store" }));
    let refused = rig.refuses("codedeploy", "GetDeploymentGroup", site);
    assert_eq!(refused.0, "ApplicationDoesNotExistException");
    let left = rig.platform.notes_starting("record:codedeploy").count();
    assert_eq!(left, 0, "its groups went with it");
}

#[test]
fn a_project_has_defaults_and_changes_by_parts() {
    let mut rig = Rig::new();
    let project = json!({
        "name": "shop",
        "serviceRole": "arn:aws:iam::000000000000:role/build",
        "artifacts": { "type": "CODEPIPELINE" },
        "source": { "type": "CODEPIPELINE", "buildspec": "buildspec.yml" },
        "environment": {
            "type": "LINUX_CONTAINER",
            "computeType": "BUILD_GENERAL1_SMALL",
            "image": "aws/codebuild/standard:7.0",
            "environmentVariables": [{ "name": "A", "value": "1" }],
        },
        "tags": [{ "key": "team", "value": "a" }],
    });
    let made = call(&mut rig, "codebuild", "CreateProject", project.clone())["project"].clone();
    assert_eq!(
        (&made["timeoutInMinutes"], &made["queuedTimeoutInMinutes"]),
        (&json!(60), &json!(480))
    );
    assert_eq!(made["environment"]["environmentVariables"][0]["type"], "PLAINTEXT");
    let refused = rig.refuses("codebuild", "CreateProject", project.clone());
    assert_eq!(refused.0, "ResourceAlreadyExistsException");
    let mut bad = project;
    bad["name"] = json!("other");
    bad["source"] = json!({ "type": "GITHUB" });
    assert_eq!(rig.refuses("codebuild", "CreateProject", bad).0, "InvalidInputException");
    let update = json!({ "name": "shop", "description": "of the shop" });
    call(&mut rig, "codebuild", "UpdateProject", update);
    let read =
        call(&mut rig, "codebuild", "BatchGetProjects", json!({ "names": ["shop", "none"] }));
    assert_eq!(read["projects"][0]["description"], "of the shop");
    assert_eq!(read["projects"][0]["tags"], json!([{ "key": "team", "value": "a" }]));
    assert_eq!(read["projectsNotFound"], json!(["none"]));
}

#[test]
fn a_connection_waits_for_its_handshake() {
    let mut rig = Rig::new();
    let create = json!({ "ConnectionName": "shop", "ProviderType": "GitHub" });
    let service = "codestar-connections";
    let arn = call(&mut rig, service, "CreateConnection", create)["ConnectionArn"].clone();
    let by_arn = json!({ "ConnectionArn": arn });
    let read = call(&mut rig, service, "GetConnection", by_arn.clone());
    assert_eq!(read["Connection"]["ConnectionStatus"], "PENDING");
    let tags = json!({ "ResourceArn": arn, "Tags": [{ "Key": "team", "Value": "a" }] });
    call(&mut rig, service, "TagResource", tags);
    let untag = json!({ "ResourceArn": arn, "TagKeys": ["team"] });
    call(&mut rig, service, "UntagResource", untag);
    let read = call(&mut rig, service, "ListTagsForResource", json!({ "ResourceArn": arn }));
    assert_eq!(read["Tags"], json!([]));
    call(&mut rig, service, "DeleteConnection", by_arn.clone());
    assert_eq!(rig.refuses(service, "GetConnection", by_arn).0, "ResourceNotFoundException");
}

#[test]
fn a_trail_logs_from_when_it_is_told_to() {
    let mut rig = Rig::new();
    let create = json!({ "Name": "audit", "S3BucketName": "logs", "IsMultiRegionTrail": true });
    let made = call(&mut rig, "cloudtrail", "CreateTrail", create.clone());
    let arn = text(&made["TrailARN"]);
    let refused = rig.refuses("cloudtrail", "CreateTrail", create);
    assert_eq!(refused.0, "TrailAlreadyExistsException");
    let status = |rig: &mut Rig| call(rig, "cloudtrail", "GetTrailStatus", json!({ "Name": arn }));
    assert_eq!(status(&mut rig)["IsLogging"], false);
    call(&mut rig, "cloudtrail", "StartLogging", json!({ "Name": arn }));
    let now = status(&mut rig);
    assert_eq!(
        (&now["IsLogging"], &now["TimeLoggingStarted"]),
        (&json!(true), &json!("2023-11-14T22:13:20.000Z"))
    );
    let regional = json!({ "Name": "audit", "IncludeGlobalServiceEvents": false });
    let refused = rig.refuses("cloudtrail", "UpdateTrail", regional);
    assert_eq!(refused.0, "InvalidParameterCombinationException");
    let half =
        json!({ "Name": "audit", "CloudWatchLogsLogGroupArn": "arn:aws:logs:a:b:log-group:c" });
    let refused = rig.refuses("cloudtrail", "UpdateTrail", half);
    assert_eq!(refused.0, "InvalidCloudWatchLogsRoleArnException");
    let selectors =
        json!({ "TrailName": "audit", "EventSelectors": [{ "ReadWriteType": "WriteOnly" }] });
    call(&mut rig, "cloudtrail", "PutEventSelectors", selectors);
    let trails =
        call(&mut rig, "cloudtrail", "DescribeTrails", json!({ "trailNameList": ["audit"] }));
    assert_eq!(trails["trailList"][0]["HasCustomEventSelectors"], true);
    let read = call(&mut rig, "cloudtrail", "GetEventSelectors", json!({ "TrailName": "audit" }));
    assert_eq!(read["EventSelectors"][0]["IncludeManagementEvents"], true);
    call(&mut rig, "cloudtrail", "DeleteTrail", json!({ "Name": "audit" }));
    let refused = rig.refuses("cloudtrail", "GetTrailStatus", json!({ "Name": arn }));
    assert_eq!(refused.0, "TrailNotFoundException");
}

#[test]
fn an_account_has_one_detector() {
    let mut rig = Rig::new();
    let create = json!({ "Enable": true, "DataSources": { "S3Logs": { "Enable": false } } });
    let id = call(&mut rig, "guardduty", "CreateDetector", create.clone());
    let refused = rig.refuses("guardduty", "CreateDetector", create);
    assert_eq!(refused.0, "BadRequestException");
    let mut update = id.clone();
    update["FindingPublishingFrequency"] = json!("ONE_HOUR");
    call(&mut rig, "guardduty", "UpdateDetector", update);
    let read = call(&mut rig, "guardduty", "GetDetector", id.clone());
    assert_eq!(read["FindingPublishingFrequency"], "ONE_HOUR");
    assert_eq!(read["DataSources"]["S3Logs"]["Status"], "DISABLED");
    assert_eq!(read["DataSources"]["Kubernetes"]["AuditLogs"]["Status"], "ENABLED");
    assert_eq!(read["Status"], "ENABLED");
    call(&mut rig, "guardduty", "DeleteDetector", id.clone());
    assert_eq!(rig.refuses("guardduty", "GetDetector", id).0, "BadRequestException");
}

#[test]
fn credentials_are_given_for_roles_that_exist() {
    let mut rig = Rig::new();
    let role = "arn:aws:iam::000000000000:role/deploy";
    let assume = json!({ "RoleArn": role, "RoleSessionName": "ci" });
    let error = rig.call("sts", "AssumeRole", assume.clone()).expect_err("no such role");
    assert_eq!((error.code.as_str(), error.status), ("AccessDenied", 403));
    let trust = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": { "AWS": "*" },
    }] });
    let create = json!({ "RoleName": "deploy", "AssumeRolePolicyDocument": trust.to_string() });
    call(&mut rig, "iam", "CreateRole", create);
    let first = call(&mut rig, "sts", "AssumeRole", assume.clone());
    let second = call(&mut rig, "sts", "AssumeRole", assume.clone());
    assert_eq!(first["AssumedRoleUser"]["Arn"], "arn:aws:sts::000000000000:assumed-role/deploy/ci");
    assert_ne!(first["Credentials"]["AccessKeyId"], second["Credentials"]["AccessKeyId"]);
    assert_eq!(text(&first["Credentials"]["SecretAccessKey"]).len(), 40);
    let mut long = assume;
    long["DurationSeconds"] = json!(7200);
    assert_eq!(rig.refuses("sts", "AssumeRole", long).0, "ValidationError");
}
