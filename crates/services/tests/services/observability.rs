//! CloudWatch, EventBridge and Budgets as they are managed, and metric data as it is sent.

use serde_json::{Value, json};

use crate::rig::Rig;

const NOW: u64 = 1_700_000_000;

fn watch(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("cloudwatch", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn alarm(name: &str) -> Value {
    json!({
        "AlarmName": name,
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 2,
        "MetricName": "CPUUtilization",
        "Namespace": "AWS/ECS",
        "Period": 60,
        "Statistic": "Average",
        "Threshold": 80.5,
        "Tags": [{ "Key": "a", "Value": "1" }],
    })
}

fn only_alarm(rig: &mut Rig) -> Value {
    watch(rig, "DescribeAlarms", json!({}))["MetricAlarms"][0].clone()
}

/// CW-ALM-1, CW-ALM-15, CW-ALM-16, CW-ALM-17, CW-ALM-20.
#[test]
fn cw_alm_15_an_alarm_is_replaced_and_keeps_its_state() {
    let mut rig = Rig::new();
    watch(&mut rig, "PutMetricAlarm", alarm("web"));
    let new = only_alarm(&mut rig);
    assert_eq!(new["AlarmArn"], "arn:aws:cloudwatch:us-east-1:000000000000:alarm:web");
    assert_eq!(new["StateValue"], "INSUFFICIENT_DATA");
    assert_eq!((&new["ActionsEnabled"], &new["OKActions"]), (&json!(true), &json!([])));
    let state = json!({ "AlarmName": "web", "StateValue": "ALARM", "StateReason": "test" });
    watch(&mut rig, "SetAlarmState", state);
    let mut other = alarm("web");
    other["Threshold"] = json!(90.0);
    other["Tags"] = json!([]);
    watch(&mut rig, "PutMetricAlarm", other);
    let changed = only_alarm(&mut rig);
    assert_eq!((&changed["Threshold"], &changed["StateValue"]), (&json!(90.0), &json!("ALARM")));
    let arn = json!({ "ResourceARN": changed["AlarmArn"] });
    let tags = watch(&mut rig, "ListTagsForResource", arn);
    assert_eq!(tags, json!({ "Tags": [{ "Key": "a", "Value": "1" }] }));
    let history = watch(&mut rig, "DescribeAlarmHistory", json!({ "AlarmName": "web" }));
    let kinds: Vec<&Value> = history["AlarmHistoryItems"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| &item["HistoryItemType"])
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "StateUpdate").count(), 1, "{kinds:?}");
    watch(&mut rig, "DisableAlarmActions", json!({ "AlarmNames": ["web", "none"] }));
    assert_eq!(only_alarm(&mut rig)["ActionsEnabled"], false);
    let metric = json!({ "Namespace": "AWS/ECS", "MetricName": "CPUUtilization" });
    let of_metric = watch(&mut rig, "DescribeAlarmsForMetric", metric);
    assert_eq!(of_metric["MetricAlarms"][0]["AlarmName"], "web");
    watch(&mut rig, "DeleteAlarms", json!({ "AlarmNames": ["web", "none"] }));
    assert_eq!(only_alarm(&mut rig), Value::Null);
    let gone = json!({ "AlarmName": "web", "StateValue": "OK", "StateReason": "test" });
    assert_eq!(rig.refuses("cloudwatch", "SetAlarmState", gone).0, "ResourceNotFound");
}

/// CW-ALM-3, CW-ALM-4, CW-ALM-5, CW-ALM-14, CW-ALM-19: everything that was sent comes back.
#[test]
fn cw_alm_19_alarms_are_described_as_they_were_sent() {
    let mut rig = Rig::new();
    let topic = "arn:aws:sns:us-east-1:000000000000:told";
    let one = json!({
        "AlarmName": "one",
        "AlarmDescription": "of one metric",
        "ActionsEnabled": false,
        "AlarmActions": [topic],
        "OKActions": [topic],
        "InsufficientDataActions": [topic],
        "ComparisonOperator": "LessThanOrEqualToThreshold",
        "DatapointsToAlarm": 1,
        "Dimensions": [{ "Name": "A", "Value": "1" }, { "Name": "B", "Value": "2" }],
        "EvaluateLowSampleCountPercentile": "ignore",
        "EvaluationPeriods": 2,
        "ExtendedStatistic": "p99.9",
        "MetricName": "Latency",
        "Namespace": "Shop",
        "Period": 10,
        "Threshold": -0.1,
        "TreatMissingData": "breaching",
        "Unit": "Milliseconds",
    });
    let metric = json!({
        "Namespace": "Shop",
        "MetricName": "Latency",
        "Dimensions": [{ "Name": "A", "Value": "1" }],
    });
    let band = json!({
        "AlarmName": "band",
        "ComparisonOperator": "GreaterThanUpperThreshold",
        "EvaluationPeriods": 1,
        "Metrics": [
            {
                "Id": "m",
                "MetricStat": { "Metric": metric, "Period": 300, "Stat": "Average", "Unit": "Count" },
                "ReturnData": true,
            },
            {
                "Id": "b",
                "Expression": "ANOMALY_DETECTION_BAND(m, 2)",
                "Label": "expected",
                "ReturnData": true,
            },
        ],
        "ThresholdMetricId": "b",
    });
    let composite = json!({
        "AlarmName": "both",
        "AlarmRule": "ALARM(one) AND ALARM(band)",
        "ActionsSuppressor": "one",
        "ActionsSuppressorExtensionPeriod": 30,
        "ActionsSuppressorWaitPeriod": 60,
    });
    for (operation, member, sent) in [
        ("PutMetricAlarm", "MetricAlarms", &one),
        ("PutMetricAlarm", "MetricAlarms", &band),
        ("PutCompositeAlarm", "CompositeAlarms", &composite),
    ] {
        watch(&mut rig, operation, sent.clone());
        let asked = json!({
            "AlarmNames": [sent["AlarmName"]],
            "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
        });
        let described = watch(&mut rig, "DescribeAlarms", asked)[member][0].clone();
        for (name, value) in sent.as_object().expect("an object") {
            assert_eq!(&described[name], value, "{name} of {}", sent["AlarmName"]);
        }
        // And nothing that was not sent, but what every alarm has.
        let own = ["Alarm", "State", "Actions", "OKActions", "InsufficientData"];
        for name in described.as_object().expect("an object").keys() {
            let known = sent.get(name).is_some() || own.iter().any(|own| name.starts_with(own));
            assert!(known, "{name} of {}", sent["AlarmName"]);
        }
    }
    let both = json!([{ "Id": "m", "Expression": "1", "MetricStat": { "Metric": metric, "Period": 60, "Stat": "Sum" } }]);
    let bad = json!({
        "AlarmName": "bad",
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Metrics": both,
        "Threshold": 1.0,
    });
    assert_eq!(rig.refuses("cloudwatch", "PutMetricAlarm", bad).0, "ValidationError");
}

/// CW-ALM-3, CW-ALM-13, CW-ALM-19, CW-MET-6.
#[test]
fn alarms_that_contradict_themselves_are_refused() {
    let mut rig = Rig::new();
    let cases = [
        ("Period", json!(61), "ValidationError"),
        ("Period", Value::Null, "MissingParameter"),
        ("Statistic", Value::Null, "MissingParameter"),
        ("ExtendedStatistic", json!("p95"), "InvalidParameterCombination"),
        ("DatapointsToAlarm", json!(3), "ValidationError"),
        ("EvaluationPeriods", json!(20_000), "ValidationError"),
        ("TreatMissingData", json!("maybe"), "ValidationError"),
        ("Threshold", Value::Null, "MissingParameter"),
        ("AlarmActions", json!(["mail"]), "ValidationError"),
        ("Metrics", json!([{ "Id": "m", "Expression": "1" }]), "InvalidParameterCombination"),
    ];
    for (member, value, code) in cases {
        let mut input = alarm("web");
        input[member] = value.clone();
        assert_eq!(rig.refuses("cloudwatch", "PutMetricAlarm", input).0, code, "{member} {value}");
    }
    watch(&mut rig, "PutMetricAlarm", alarm("web"));
    let rule = json!({ "AlarmName": "any", "AlarmRule": "ALARM(web) OR NOT OK(web)" });
    watch(&mut rig, "PutCompositeAlarm", rule.clone());
    let composite = json!({ "AlarmTypes": ["CompositeAlarm"] });
    let all = watch(&mut rig, "DescribeAlarms", composite);
    assert_eq!(all["CompositeAlarms"][0]["AlarmRule"], rule["AlarmRule"]);
    let other = json!({ "AlarmName": "web", "AlarmRule": "ALARM(any)" });
    assert_eq!(rig.refuses("cloudwatch", "PutCompositeAlarm", other).0, "ValidationError");
}

/// CW-DSH-1, CW-DSH-2, CW-DSH-5.
#[test]
fn cw_dsh_5_a_dashboard_is_kept_as_sent() {
    let mut rig = Rig::new();
    let body =
        "{ \"widgets\": [ { \"type\": \"text\", \"properties\": { \"markdown\": \"# Hi\" } } ] }";
    let put = json!({ "DashboardName": "web", "DashboardBody": body });
    watch(&mut rig, "PutDashboard", put);
    let get = json!({ "DashboardName": "web" });
    let kept = watch(&mut rig, "GetDashboard", get.clone());
    assert_eq!(kept["DashboardBody"], body);
    assert_eq!(kept["DashboardArn"], "arn:aws:cloudwatch::000000000000:dashboard/web");
    for bad in [
        "no json",
        "[]",
        "{}",
        "{\"widgets\":[{\"type\":\"clock\",\"properties\":{}}]}",
        "{\"widgets\":[{\"type\":\"text\",\"properties\":{},\"x\":24,\"y\":0}]}",
        "{\"widgets\":[{\"type\":\"text\",\"properties\":{},\"x\":1}]}",
        "{\"widgets\":[{\"type\":\"text\"}]}",
    ] {
        let put = json!({ "DashboardName": "web", "DashboardBody": bad });
        let refused = rig.refuses("cloudwatch", "PutDashboard", put);
        assert_eq!(refused.0, "InvalidParameterInput", "{bad}");
    }
    watch(&mut rig, "DeleteDashboards", json!({ "DashboardNames": ["web"] }));
    assert_eq!(rig.refuses("cloudwatch", "GetDashboard", get).0, "DashboardNotFoundError");
}

fn datum(value: f64, at: u64) -> Value {
    json!({
        "MetricName": "Backlog",
        "Dimensions": [{ "Name": "Queue", "Value": "orders" }],
        "Value": value,
        "Unit": "Count",
        "Timestamp": at,
    })
}

fn put_data(rig: &mut Rig, data: Value) {
    watch(rig, "PutMetricData", json!({ "Namespace": "Shop", "MetricData": data }));
}

/// CW-MET-1, CW-MET-5, CW-MET-6, CW-MET-8, CW-MET-9.
#[test]
fn cw_met_5_data_comes_back_by_period_and_unit() {
    let mut rig = Rig::new();
    let minute = NOW / 60 * 60;
    put_data(
        &mut rig,
        json!([datum(1.5, minute), datum(4.5, minute + 10), datum(9.0, minute + 70)]),
    );
    let mut other = datum(100.0, minute);
    other["Dimensions"] = json!([]);
    let sets = json!({
        "MetricName": "Backlog",
        "Dimensions": [{ "Name": "Queue", "Value": "orders" }],
        "StatisticValues": { "SampleCount": 2, "Sum": 10, "Minimum": 3, "Maximum": 7 },
        "Unit": "Bytes",
        "Timestamp": minute,
    });
    put_data(&mut rig, json!([other, sets]));
    let mut asked = json!({
        "Namespace": "Shop",
        "MetricName": "Backlog",
        "Dimensions": [{ "Name": "Queue", "Value": "orders" }],
        "StartTime": minute,
        "EndTime": minute + 120,
        "Period": 60,
        "Statistics": ["Average", "Sum", "SampleCount", "Minimum", "Maximum"],
        "ExtendedStatistics": ["p50"],
        "Unit": "Count",
    });
    let found = watch(&mut rig, "GetMetricStatistics", asked.clone());
    assert_eq!(
        found["Datapoints"],
        json!([
            {
                "Timestamp": minute, "Unit": "Count", "Average": 3.0, "Sum": 6.0,
                "SampleCount": 2.0, "Minimum": 1.5, "Maximum": 4.5,
                "ExtendedStatistics": { "p50": 1.5 },
            },
            {
                "Timestamp": minute + 60, "Unit": "Count", "Average": 9.0, "Sum": 9.0,
                "SampleCount": 1.0, "Minimum": 9.0, "Maximum": 9.0,
                "ExtendedStatistics": { "p50": 9.0 },
            },
        ])
    );
    asked["Unit"] = Value::Null;
    let all = watch(&mut rig, "GetMetricStatistics", asked.clone());
    assert_eq!(all["Datapoints"].as_array().map(Vec::len), Some(3), "units do not mix");
    asked["EndTime"] = json!(minute + 60 * 1441);
    let code = rig.refuses("cloudwatch", "GetMetricStatistics", asked).0;
    assert_eq!(code, "InvalidParameterCombination");
    let query = json!({
        "StartTime": minute,
        "EndTime": minute + 120,
        "MetricDataQueries": [{
            "Id": "m",
            "MetricStat": {
                "Metric": {
                    "Namespace": "Shop",
                    "MetricName": "Backlog",
                    "Dimensions": [{ "Name": "Queue", "Value": "orders" }],
                },
                "Period": 60,
                "Stat": "Maximum",
                "Unit": "Count",
            },
        }],
    });
    let data = watch(&mut rig, "GetMetricData", query);
    let result = &data["MetricDataResults"][0];
    assert_eq!(result["Timestamps"], json!([minute + 60, minute]), "the newest first");
    assert_eq!(result["Values"], json!([9.0, 4.5]));
    let listed = watch(&mut rig, "ListMetrics", json!({ "Dimensions": [{ "Name": "Queue" }] }));
    assert_eq!(
        listed["Metrics"],
        json!([{
            "Namespace": "Shop",
            "MetricName": "Backlog",
            "Dimensions": [{ "Name": "Queue", "Value": "orders" }],
        }])
    );
    let all = watch(&mut rig, "ListMetrics", json!({ "Namespace": "Shop" }));
    assert_eq!(all["Metrics"].as_array().map(Vec::len), Some(2));
}

/// CW-MET-3, CW-MET-4.
#[test]
fn cw_met_4_data_that_cannot_be_is_refused() {
    let mut rig = Rig::new();
    let mut both = datum(1.0, NOW);
    both["Values"] = json!([1.0]);
    let none = json!({ "MetricName": "Backlog" });
    let uneven = json!({ "MetricName": "Backlog", "Values": [1.0], "Counts": [1.0, 2.0] });
    for (data, code) in [
        (both, "InvalidParameterCombination"),
        (none, "MissingParameter"),
        (uneven, "InvalidParameterCombination"),
        (datum(1.0, NOW - 15 * 86_400), "InvalidParameterValue"),
        (datum(1.0, NOW + 3 * 3600), "InvalidParameterValue"),
        (datum(1e300, NOW), "InvalidParameterValue"),
    ] {
        let input = json!({ "Namespace": "Shop", "MetricData": [data] });
        assert_eq!(rig.refuses("cloudwatch", "PutMetricData", input).0, code);
    }
    let ours = json!({ "Namespace": "AWS/ECS", "MetricData": [datum(1.0, NOW)] });
    assert_eq!(rig.refuses("cloudwatch", "PutMetricData", ours).0, "InvalidParameterValue");
}

/// A metric that is heard all the time does not grow for ever.
#[test]
fn a_metric_keeps_a_day_of_data() {
    let mut rig = Rig::new();
    let start = NOW - 2 * 86_400;
    for quarter in 0..150 {
        put_data(&mut rig, json!([datum(1.0, start + quarter * 900)]));
    }
    let kept = rig.platform.notes_starting("record:cloudwatch/metric-points/").count();
    assert_eq!(kept, 96);
    let asked = json!({
        "Namespace": "Shop",
        "MetricName": "Backlog",
        "Dimensions": [{ "Name": "Queue", "Value": "orders" }],
        "StartTime": start,
        "EndTime": start + 150 * 900,
        "Period": 3600,
        "Statistics": ["Sum"],
    });
    let found = watch(&mut rig, "GetMetricStatistics", asked);
    let sum: f64 = found["Datapoints"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|point| point["Sum"].as_f64())
        .sum();
    assert_eq!(sum, 96.0);
}

fn events(rig: &mut Rig, name: &str, input: Value) -> Value {
    rig.call("events", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_rule_is_deleted_after_its_targets() {
    let mut rig = Rig::new();
    let pattern = "{ \"source\": [\"aws.ecs\"] }";
    let rule = json!({ "Name": "stopped", "EventPattern": pattern, "Tags": [{ "Key": "a", "Value": "1" }] });
    let made = events(&mut rig, "PutRule", rule);
    assert_eq!(made["RuleArn"], "arn:aws:events:us-east-1:000000000000:rule/stopped");
    let target = json!({
        "Id": "alerts",
        "Arn": "arn:aws:sns:us-east-1:000000000000:alerts",
        "InputTransformer": { "InputPathsMap": { "t": "$.detail" }, "InputTemplate": "\"<t>\"" },
    });
    events(&mut rig, "PutTargets", json!({ "Rule": "stopped", "Targets": [target] }));
    let name = json!({ "Name": "stopped" });
    assert_eq!(rig.refuses("events", "DeleteRule", name.clone()).0, "ValidationException");
    let listed = events(&mut rig, "ListTargetsByRule", json!({ "Rule": "stopped" }));
    assert_eq!(listed["Targets"], json!([target]));
    events(&mut rig, "DisableRule", name.clone());
    let rule = events(&mut rig, "DescribeRule", name.clone());
    assert_eq!((&rule["State"], &rule["EventPattern"]), (&json!("DISABLED"), &json!(pattern)));
    let arn = json!({ "ResourceARN": made["RuleArn"] });
    let tags = events(&mut rig, "ListTagsForResource", arn);
    assert_eq!(tags, json!({ "Tags": [{ "Key": "a", "Value": "1" }] }));
    let remove = json!({ "Rule": "stopped", "Ids": ["alerts", "none"] });
    assert_eq!(events(&mut rig, "RemoveTargets", remove)["FailedEntryCount"], 1);
    events(&mut rig, "DeleteRule", name.clone());
    assert_eq!(rig.refuses("events", "DescribeRule", name).0, "ResourceNotFoundException");
    for (bad, code) in [
        (json!({ "Name": "r" }), "ValidationException"),
        (json!({ "Name": "r", "EventPattern": "[]" }), "InvalidEventPatternException"),
        (json!({ "Name": "r", "ScheduleExpression": "daily" }), "ValidationException"),
        (
            json!({ "Name": "r", "EventPattern": pattern, "EventBusName": "b" }),
            "ResourceNotFoundException",
        ),
    ] {
        assert_eq!(rig.refuses("events", "PutRule", bad.clone()).0, code, "{bad}");
    }
}

fn budgets(rig: &mut Rig, name: &str, mut input: Value) -> Value {
    input["AccountId"] = json!("000000000000");
    rig.call("budgets", name, input).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn a_budget_has_defaults_and_each_notification_once() {
    let mut rig = Rig::new();
    let budget = json!({
        "BudgetName": "monthly",
        "BudgetType": "COST",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": { "Amount": "100", "Unit": "USD" },
        "CostTypes": { "IncludeTax": false },
    });
    budgets(&mut rig, "CreateBudget", json!({ "Budget": budget }));
    let name = json!({ "BudgetName": "monthly" });
    let kept = budgets(&mut rig, "DescribeBudget", name.clone())["Budget"].clone();
    // 2023-11-01.
    assert_eq!(kept["TimePeriod"], json!({ "Start": 1_698_796_800, "End": 3_706_473_600_u64 }));
    assert_eq!(kept["CostTypes"]["IncludeTax"], false);
    assert_eq!(kept["CostTypes"]["IncludeCredit"], true);
    let mail = json!({ "SubscriptionType": "EMAIL", "Address": "ops@example.org" });
    let notification = json!({
        "NotificationType": "ACTUAL",
        "ComparisonOperator": "GREATER_THAN",
        "Threshold": 80,
    });
    let notify = json!({ "AccountId": "000000000000", "BudgetName": "monthly", "Notification": notification, "Subscribers": [mail] });
    budgets(&mut rig, "CreateNotification", notify.clone());
    let twice = rig.refuses("budgets", "CreateNotification", notify);
    assert_eq!(twice.0, "DuplicateRecordException");
    let all = budgets(&mut rig, "DescribeNotificationsForBudget", name.clone());
    assert_eq!(all["Notifications"][0]["ThresholdType"], "PERCENTAGE");
    let whole = json!({ "BudgetName": "monthly", "Notification": all["Notifications"][0] });
    let subscribers = budgets(&mut rig, "DescribeSubscribersForNotification", whole.clone());
    assert_eq!(subscribers["Subscribers"], json!([mail]));
    let mut changed = budget.clone();
    changed["BudgetLimit"]["Amount"] = json!("150.5");
    budgets(&mut rig, "UpdateBudget", json!({ "NewBudget": changed }));
    let kept = budgets(&mut rig, "DescribeBudget", name.clone())["Budget"].clone();
    assert_eq!(kept["BudgetLimit"]["Amount"], "150.5");
    budgets(&mut rig, "DeleteNotification", whole);
    let all = budgets(&mut rig, "DescribeNotificationsForBudget", name.clone());
    assert_eq!(all["Notifications"], json!([]));
    budgets(&mut rig, "DeleteBudget", name);
    let gone = json!({ "AccountId": "000000000000", "BudgetName": "monthly" });
    assert_eq!(rig.refuses("budgets", "DescribeBudget", gone).0, "NotFoundException");
    let other = json!({ "AccountId": "111111111111", "BudgetName": "monthly" });
    assert_eq!(rig.refuses("budgets", "DescribeBudget", other).0, "AccessDeniedException");
}
