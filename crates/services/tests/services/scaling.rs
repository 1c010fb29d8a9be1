//! Application Auto Scaling: what is kept, what is refused, and the alarms of target tracking.

use neargate_core::input::Command;
use neargate_core::scaling::{PolicyKind, ScalingPolicySpec, TargetTracking, TrackedMetric};
use neargate_core::service::ServiceName;
use serde_json::{Value, json};

use crate::rig::{Rig, text};

const RESOURCE: &str = "service/main/web";

fn of_service(mut input: Value) -> Value {
    input["ServiceNamespace"] = json!("ecs");
    input["ResourceId"] = json!(RESOURCE);
    input["ScalableDimension"] = json!("ecs:service:DesiredCount");
    input
}

fn scaling(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("application-autoscaling", name, input).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn refused(rig: &mut Rig, name: &str, input: Value) -> String {
    rig.refuses("application-autoscaling", name, input).0
}

fn registered() -> Rig {
    let mut rig = Rig::new();
    rig.create_service(1);
    let input = json!({ "MinCapacity": 1, "MaxCapacity": 4, "Tags": { "a": "1" } });
    scaling(&mut rig, "RegisterScalableTarget", of_service(input));
    rig
}

fn described(rig: &mut Rig, name: &str, member: &str) -> Vec<Value> {
    let input = json!({ "ServiceNamespace": "ecs" });
    scaling(rig, name, input)[member].as_array().cloned().expect("a list")
}

fn tracking(policy: &str, configuration: Value) -> Value {
    of_service(json!({
        "PolicyName": policy,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": configuration,
    }))
}

fn cpu(target: f64) -> Value {
    json!({
        "TargetValue": target,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "ECSServiceAverageCPUUtilization",
        },
    })
}

fn alarms(rig: &mut Rig) -> Vec<Value> {
    let all = rig.call("cloudwatch", "DescribeAlarms", json!({})).expect("served");
    all["MetricAlarms"].as_array().cloned().expect("a list")
}

/// SCALE-TGT-1, SCALE-TGT-2, SCALE-TGT-7, ERR-AAS-2.
#[test]
fn scale_tgt_2_a_target_is_a_service_with_bounds() {
    let mut rig = Rig::new();
    let bounds = json!({ "MinCapacity": 1, "MaxCapacity": 4 });
    let code = refused(&mut rig, "RegisterScalableTarget", of_service(bounds));
    assert_eq!(code, "ValidationException", "there is no such service");
    let mut rig = registered();
    let change = json!({ "MaxCapacity": 6 });
    let arn = scaling(&mut rig, "RegisterScalableTarget", of_service(change));
    let arn = text(&arn["ScalableTargetARN"]);
    let target = described(&mut rig, "DescribeScalableTargets", "ScalableTargets").remove(0);
    assert_eq!((&target["MinCapacity"], &target["MaxCapacity"]), (&json!(1), &json!(6)));
    assert_eq!(target["ScalableTargetARN"], arn);
    assert_eq!(target["SuspendedState"]["DynamicScalingInSuspended"], false);
    for bad in [json!({ "MinCapacity": 7 }), json!({ "MaxCapacity": -1 })] {
        let code = refused(&mut rig, "RegisterScalableTarget", of_service(bad));
        assert_eq!(code, "ValidationException");
    }
    let tag = json!({ "ResourceARN": arn, "Tags": { "b": "2" } });
    scaling(&mut rig, "TagResource", tag);
    scaling(&mut rig, "UntagResource", json!({ "ResourceARN": arn, "TagKeys": ["a"] }));
    let tags = scaling(&mut rig, "ListTagsForResource", json!({ "ResourceARN": arn }));
    assert_eq!(tags, json!({ "Tags": { "b": "2" } }));
    let other = json!({ "ServiceNamespace": "ecs", "ResourceIds": ["service/main/other"] });
    let none = scaling(&mut rig, "DescribeScalableTargets", other);
    assert_eq!(none, json!({ "ScalableTargets": [] }));
}

/// SCALE-TT-4 to -7, ERR-AAS-4, SCALE-TGT-4.
#[test]
fn scale_tt_5_target_tracking_makes_its_alarms_and_takes_them_away() {
    let mut rig = registered();
    let made = scaling(&mut rig, "PutScalingPolicy", tracking("cpu", cpu(60.0)));
    let names: Vec<String> =
        made["Alarms"].as_array().expect("a list").iter().map(|a| text(&a["AlarmName"])).collect();
    assert!(names[0].starts_with("TargetTracking-service/main/web-AlarmHigh-"), "{names:?}");
    assert!(names[1].starts_with("TargetTracking-service/main/web-AlarmLow-"), "{names:?}");
    let shown: Vec<Value> = alarms(&mut rig)
        .iter()
        .map(|a| {
            json!([a["Threshold"], a["EvaluationPeriods"], a["MetricName"], a["AlarmActions"]])
        })
        .collect();
    let policy = &made["PolicyARN"];
    assert_eq!(
        shown,
        [
            json!([60.0, 3, "CPUUtilization", [policy]]),
            json!([54.0, 15, "CPUUtilization", [policy]])
        ]
    );
    // Another target: the same alarms with other thresholds. No scaling in: no AlarmLow.
    let mut other = cpu(80.0);
    other["DisableScaleIn"] = json!(true);
    let again = scaling(&mut rig, "PutScalingPolicy", tracking("cpu", other));
    assert_eq!(again["PolicyARN"], made["PolicyARN"]);
    assert_eq!(again["Alarms"], json!([made["Alarms"][0]]));
    let left = alarms(&mut rig);
    assert_eq!((left.len(), &left[0]["Threshold"]), (1, &json!(80.0)));
    let stored = described(&mut rig, "DescribeScalingPolicies", "ScalingPolicies").remove(0);
    assert_eq!(stored["Alarms"], again["Alarms"]);
    let twice = tracking("cpu-again", cpu(60.0));
    assert_eq!(refused(&mut rig, "PutScalingPolicy", twice.clone()), "ValidationException");
    scaling(&mut rig, "DeregisterScalableTarget", of_service(json!({})));
    assert_eq!(alarms(&mut rig), Vec::<Value>::new());
    assert!(described(&mut rig, "DescribeScalingPolicies", "ScalingPolicies").is_empty());
    for (name, input) in [
        ("PutScalingPolicy", twice),
        ("DeregisterScalableTarget", of_service(json!({}))),
        ("DeleteScalingPolicy", of_service(json!({ "PolicyName": "cpu" }))),
        ("DeleteScheduledAction", of_service(json!({ "ScheduledActionName": "night" }))),
    ] {
        assert_eq!(refused(&mut rig, name, input), "ObjectNotFoundException", "{name}");
    }
}

/// SCALE-TT-2, SCALE-CUS-1, SCALE-CUS-2.
#[test]
fn scale_tt_2_a_metric_that_cannot_be_tracked_is_refused() {
    let mut rig = registered();
    let predefined = |kind: &str, label: Value| {
        json!({
            "TargetValue": 1.0,
            "PredefinedMetricSpecification": { "PredefinedMetricType": kind, "ResourceLabel": label },
        })
    };
    let requests = "ALBRequestCountPerTarget";
    let label = "app/lb/0123456789abcdef/targetgroup/web/fedcba9876543210";
    let metric = json!({ "Metrics": [{ "Id": "M", "Expression": "1" }] });
    for bad in [
        json!({ "TargetValue": 1.0 }),
        predefined(requests, Value::Null),
        predefined(requests, json!("lb/web")),
        predefined("ECSServiceAverageCPUUtilization", json!(label)),
        predefined("RDSReaderAverageCPUUtilization", Value::Null),
        json!({ "TargetValue": 1.0, "CustomizedMetricSpecification": metric }),
        json!({ "TargetValue": 1.0, "CustomizedMetricSpecification": { "MetricName": "m" } }),
    ] {
        let input = tracking("p", bad.clone());
        assert_eq!(refused(&mut rig, "PutScalingPolicy", input), "ValidationException", "{bad}");
    }
    scaling(&mut rig, "PutScalingPolicy", tracking("p", predefined(requests, json!(label))));
    let alarm = alarms(&mut rig).remove(0);
    // Dimensions are a set (CW-MET-1), shown by name.
    assert_eq!(
        alarm["Dimensions"],
        json!([
            { "Name": "LoadBalancer", "Value": "app/lb/0123456789abcdef" },
            { "Name": "TargetGroup", "Value": "targetgroup/web/fedcba9876543210" },
        ])
    );
}

/// SCALE-STEP-1, SCALE-STEP-2.
#[test]
fn scale_step_2_steps_have_no_gaps_and_no_overlaps() {
    let mut rig = registered();
    let steps = |spans: &[(Option<i32>, Option<i32>)]| {
        let step = |(lower, upper): &(Option<i32>, Option<i32>)| {
            json!({
                "MetricIntervalLowerBound": lower,
                "MetricIntervalUpperBound": upper,
                "ScalingAdjustment": 1,
            })
        };
        let steps: Vec<Value> = spans.iter().map(step).collect();
        let configuration =
            json!({ "AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps });
        of_service(json!({ "PolicyName": "s", "StepScalingPolicyConfiguration": configuration }))
    };
    let (zero, ten, twenty) = (Some(0), Some(10), Some(20));
    for bad in [
        vec![],
        vec![(None, None)],
        vec![(zero, ten)],
        vec![(zero, ten), (twenty, None)],
        vec![(zero, twenty), (ten, None)],
        vec![(Some(-10), zero)],
        vec![(ten, zero)],
    ] {
        let code = refused(&mut rig, "PutScalingPolicy", steps(&bad));
        assert_eq!(code, "ValidationException", "{bad:?}");
    }
    for good in [vec![(zero, ten), (ten, None)], vec![(None, Some(-10)), (Some(-10), zero)]] {
        let made = scaling(&mut rig, "PutScalingPolicy", steps(&good));
        assert_eq!(made["Alarms"], json!([]), "step scaling makes no alarms");
    }
}

/// SCALE-SCH-1, SCALE-SCH-4.
#[test]
fn scale_sch_4_a_scheduled_action_is_put_again_in_part() {
    let mut rig = registered();
    let action = json!({
        "ScheduledActionName": "night",
        "Schedule": "cron(0 20 ? * MON-FRI *)",
        "Timezone": "Europe/Berlin",
        "StartTime": 1_700_000_000,
        "ScalableTargetAction": { "MinCapacity": 0, "MaxCapacity": 1 },
    });
    scaling(&mut rig, "PutScheduledAction", of_service(action));
    let news =
        json!({ "ScheduledActionName": "night", "ScalableTargetAction": { "MaxCapacity": 2 } });
    scaling(&mut rig, "PutScheduledAction", of_service(news));
    let kept = described(&mut rig, "DescribeScheduledActions", "ScheduledActions").remove(0);
    assert_eq!(kept["Schedule"], "cron(0 20 ? * MON-FRI *)");
    assert_eq!(kept["ScalableTargetAction"], json!({ "MaxCapacity": 2 }));
    assert_eq!(kept.get("StartTime"), None, "what is not said of start and end is gone");
    for bad in [
        json!({ "Schedule": "soon", "ScalableTargetAction": { "MinCapacity": 1 } }),
        json!({ "Schedule": "rate(1 day)" }),
        json!({ "Schedule": "rate(1 day)", "ScalableTargetAction": { "MinCapacity": 2, "MaxCapacity": 1 } }),
    ] {
        let mut bad = of_service(bad);
        bad["ScheduledActionName"] = json!("other");
        assert_eq!(refused(&mut rig, "PutScheduledAction", bad), "ValidationException");
    }
    let input = json!({ "ServiceNamespace": "ecs" });
    let none = scaling(&mut rig, "DescribeScalingActivities", input);
    assert_eq!(none, json!({ "ScalingActivities": [] }));
}

/// design.md "Two roads, one platform": what the platform's own commands made is described, and
/// what the API made is the platform's.
#[test]
fn scaling_is_the_platforms_own() {
    let mut rig = registered();
    scaling(&mut rig, "PutScalingPolicy", tracking("cpu", cpu(60.0)));
    let service = ServiceName { cluster: "main".into(), service: "web".into() };
    let target = rig.platform.scalable_target(&service).expect("registered");
    assert_eq!((target.spec.min, target.spec.max), (1, 4));
    assert_eq!(target.spec.tags, [("a".to_owned(), "1".to_owned())].into());
    let spec = target.policies["cpu"].spec.clone();
    let PolicyKind::TargetTracking(made) = &spec.kind else { panic!("{spec:?}") };
    assert_eq!((&made.metric, made.target_value), (&TrackedMetric::AverageCpu, 60.0));
    // The other road: a second policy, and the whole target away.
    let memory = TargetTracking { metric: TrackedMetric::AverageMemory, ..made.clone() };
    let kind = PolicyKind::TargetTracking(memory);
    let memory = ScalingPolicySpec { name: "memory".into(), kind, ..spec };
    rig.commands(vec![Command::PutScalingPolicy(Box::new(memory))]);
    let policies = described(&mut rig, "DescribeScalingPolicies", "ScalingPolicies");
    let metric = &policies[1]["TargetTrackingScalingPolicyConfiguration"];
    assert_eq!(
        metric["PredefinedMetricSpecification"]["PredefinedMetricType"],
        "ECSServiceAverageMemoryUtilization"
    );
    let names: Vec<Value> = alarms(&mut rig).iter().map(|a| a["AlarmName"].clone()).collect();
    for alarm in policies[1]["Alarms"].as_array().expect("a list") {
        assert!(names.contains(&alarm["AlarmName"]), "{alarm}");
    }
    let night = json!({
        "ScheduledActionName": "night",
        "Schedule": "rate(1 day)",
        "ScalableTargetAction": { "MaxCapacity": 1 },
    });
    scaling(&mut rig, "PutScheduledAction", of_service(night));
    rig.commands(vec![Command::DeleteScalableTarget { service }]);
    for (name, member) in [
        ("DescribeScalableTargets", "ScalableTargets"),
        ("DescribeScalingPolicies", "ScalingPolicies"),
        ("DescribeScheduledActions", "ScheduledActions"),
    ] {
        assert_eq!(described(&mut rig, name, member), Vec::<Value>::new());
    }
    assert_eq!(alarms(&mut rig), Vec::<Value>::new());
    // SCALE-TGT-4: a new target starts without the scheduled actions of the old one.
    let bounds = json!({ "MinCapacity": 1, "MaxCapacity": 4 });
    scaling(&mut rig, "RegisterScalableTarget", of_service(bounds));
    let actions = described(&mut rig, "DescribeScheduledActions", "ScheduledActions");
    assert_eq!(actions, Vec::<Value>::new());
}

/// SCALE-CUS-1, SCALE-CUS-3, SCALE-STEP-1: what was sent is described, and its alarms look at
/// minutes of the same.
#[test]
fn scale_cus_3_policies_are_described_as_they_were_sent() {
    let mut rig = registered();
    let stat = |namespace: &str, name: &str, stat: &str| {
        json!({
            "Metric": {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{ "Name": "QueueName", "Value": "orders" }],
            },
            "Stat": stat,
        })
    };
    let depth = stat("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Sum");
    let tasks = stat("ECS/ContainerInsights", "RunningTaskCount", "p90");
    let queries = json!([
        { "Id": "m1", "MetricStat": depth, "ReturnData": false },
        { "Id": "m2", "MetricStat": tasks, "ReturnData": false, "Label": "tasks" },
        { "Id": "e1", "Expression": "m1 / m2", "ReturnData": true },
    ]);
    let configuration = json!({
        "TargetValue": 0.3,
        "ScaleOutCooldown": 0,
        "CustomizedMetricSpecification": { "Metrics": queries },
    });
    let made = scaling(&mut rig, "PutScalingPolicy", tracking("backlog", configuration));
    let policy = described(&mut rig, "DescribeScalingPolicies", "ScalingPolicies").remove(0);
    let kept = &policy["TargetTrackingScalingPolicyConfiguration"];
    assert_eq!(kept["CustomizedMetricSpecification"]["Metrics"], queries);
    assert_eq!((&kept["TargetValue"], &kept["ScaleOutCooldown"]), (&json!(0.3), &json!(0)));
    assert_eq!(kept.get("ScaleInCooldown"), None);
    let alarm = alarms(&mut rig).remove(0);
    assert_eq!(alarm["AlarmName"], made["Alarms"][0]["AlarmName"]);
    let mut minutes = queries.clone();
    for number in 0..2 {
        minutes[number]["MetricStat"]["Period"] = json!(60);
    }
    assert_eq!(alarm["Metrics"], minutes);
    let steps = json!({
        "AdjustmentType": "PercentChangeInCapacity",
        "MinAdjustmentMagnitude": 2,
        "Cooldown": 30,
        "MetricAggregationType": "Maximum",
        "StepAdjustments": [
            { "MetricIntervalUpperBound": -5.5, "ScalingAdjustment": -50 },
            { "MetricIntervalLowerBound": -5.5, "MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -10 },
        ],
    });
    let input = json!({ "PolicyName": "steps", "StepScalingPolicyConfiguration": steps });
    scaling(&mut rig, "PutScalingPolicy", of_service(input));
    let policy = described(&mut rig, "DescribeScalingPolicies", "ScalingPolicies").remove(1);
    assert_eq!(policy["StepScalingPolicyConfiguration"], steps);
    // Without a configuration the policy stays as it is; as another type it is refused.
    let again = of_service(json!({ "PolicyName": "steps", "PolicyType": "StepScaling" }));
    let same = scaling(&mut rig, "PutScalingPolicy", again);
    assert_eq!(same["PolicyARN"], policy["PolicyARN"]);
    let other = tracking("steps", cpu(60.0));
    assert_eq!(refused(&mut rig, "PutScalingPolicy", other), "ValidationException");
}
