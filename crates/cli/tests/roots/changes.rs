//! Changes by one variable each: exactly what is meant is planned and applied, and no request of
//! a client that sends all along fails.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::equality::Inventory;
use crate::serving;
use crate::terraform::Root;

/// The service that is changed.
const SERVICE: &str = "orders";
const DEFINITION: &str = "module.task_definition.aws_ecs_task_definition.this";
const ECS_SERVICE: &str = "module.service.aws_ecs_service.this[0]";
const TARGET: &str = "module.service.aws_appautoscaling_target.this[0]";

/// A change of variables and the actions it must lead to.
struct Change {
    what: &'static str,
    /// Over the variables of the changes before.
    overrides: Value,
    image_tag: &'static str,
    expected: Vec<(String, &'static str)>,
}

/// Makes all of them under load.
pub(crate) fn make(
    endpoint: &Endpoint,
    root: &Root,
    variables: &[&Path],
    inventory: &Inventory,
) -> Result<()> {
    let file = root.folder().join("change.tfvars.json");
    let variables: Vec<&Path> = variables.iter().copied().chain([file.as_path()]).collect();
    let routes = serving::routes(endpoint, inventory)?;
    let load = Load::start(endpoint, routes.iter().map(|route| route.url.as_str()))?;
    for change in changes(inventory) {
        let values = json!({
            "image_tag": change.image_tag, "overrides": { SERVICE: change.overrides }
        });
        std::fs::write(&file, values.to_string())?;
        let mut done = root.apply_with(&variables).with_context(|| change.what.to_owned())?;
        done.sort();
        let mut expected: Vec<(String, String)> =
            change.expected.into_iter().map(|(at, action)| (at, action.to_owned())).collect();
        expected.sort();
        ensure!(done == expected, "{}: {done:#?}, expected {expected:#?}", change.what);
        serving::all_steady(endpoint)?;
        crate::say(&format!("{}: {} actions", change.what, done.len()));
    }
    let after = endpoint.inventory()?;
    serving::all_answer(&serving::routes(endpoint, &after)?)?;
    took_effect(&after)?;
    bad_image(endpoint, root, &variables, &file)?;
    load.flawless()
}

fn of_service(service: &str, parts: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    let address = |rest: &str| format!("module.services[\"{service}\"].{rest}");
    parts.iter().map(|(rest, action)| (address(rest), *action)).collect()
}

/// A task definition is immutable: another revision takes its place.
const REVISION: [(&str, &str); 2] = [(DEFINITION, "replace"), (ECS_SERVICE, "update")];

fn changes(inventory: &Inventory) -> Vec<Change> {
    let services = inventory["services"].keys().filter_map(|name| name.rsplit('/').next());
    let every: Vec<(String, &'static str)> = services
        .filter_map(|name| name.strip_suffix("-service"))
        .flat_map(|key| of_service(key, &REVISION))
        .collect();
    let rules = json!([{ "priority": 110, "path_patterns": ["/api/v*/orders*", "/orders/*"] }]);
    let rule = "module.alb.aws_lb_listener_rule.this[\"orders-110\"]".to_owned();
    let secrets = json!({ "EXTRA": "/modular-dev/redis-connection" });
    let change =
        |what, overrides, expected| Change { what, overrides, image_tag: "second", expected };
    vec![
        change("image tag", json!({}), every),
        change("CPU", json!({ "cpu": 512, "memory": 1024 }), of_service(SERVICE, &REVISION)),
        change(
            "desired count",
            json!({ "cpu": 512, "memory": 1024, "min": 3 }),
            of_service(SERVICE, &[(TARGET, "update")]),
        ),
        change(
            "path rule",
            json!({ "cpu": 512, "memory": 1024, "min": 3, "rules": rules }),
            vec![(rule, "update")],
        ),
        change(
            "secret",
            json!({ "cpu": 512, "memory": 1024, "min": 3, "rules": rules, "secrets": secrets }),
            of_service(SERVICE, &REVISION),
        ),
        change(
            "size",
            json!({
                "cpu": 512, "memory": 1024, "min": 3, "max": 4, "rules": rules, "secrets": secrets
            }),
            of_service(SERVICE, &[(TARGET, "update")]),
        ),
    ]
}

/// The platform is what the last change asked for.
fn took_effect(inventory: &Inventory) -> Result<()> {
    let service = &inventory["services"]["modular-cluster-dev/orders-service"];
    let revision = &service["task_definition"];
    let reference =
        format!("{}:{}", revision["family"].as_str().unwrap_or_default(), revision["revision"]);
    let definition = &inventory["taskDefinitions"][&reference];
    let container = &definition["containers"][0];
    ensure!(definition["cpu"] == 512 && definition["memory_mib"] == 1024, "{definition:#}");
    ensure!(container["image"].as_str().is_some_and(|i| i.ends_with(":second")), "{container:#}");
    ensure!(container["secrets"]["EXTRA"] == "/modular-dev/redis-connection", "{container:#}");
    let target = &inventory["scalableTargets"]["modular-cluster-dev/orders-service"];
    ensure!(target["min"] == 3 && target["max"] == 4, "{target:#}");
    Ok(())
}

/// A new revision whose image cannot be pulled is rolled back while the old one serves. This
/// provider takes the steady state after a rollback for the end of its wait, so it is the events,
/// the deployments and the next plan that tell.
fn bad_image(endpoint: &Endpoint, root: &Root, variables: &[&Path], file: &Path) -> Result<()> {
    let good = std::fs::read_to_string(file)?;
    let mut values: Value = serde_json::from_str(&good)?;
    values["overrides"][SERVICE]["image_tag"] = json!("second");
    values["overrides"][SERVICE]["repository"] = json!("nowhere/nothing");
    std::fs::write(file, values.to_string())?;
    let before = revision(endpoint)?;
    root.apply_with(variables)?;
    serving::all_steady(endpoint)?;
    ensure!(revision(endpoint)? == before, "not rolled back to {before}");
    let view = endpoint.json(&["ps"])?;
    let service = orders(&view)?;
    let failed = service["deployments"].as_array().into_iter().flatten();
    let failed = failed.filter(|d| d["rolloutState"] == "FAILED").count();
    ensure!(failed == 1, "{service:#}");
    let events = endpoint.must(&["events", "orders-service"])?;
    ensure!(events.contains("rolling back to"), "{events}");
    let changes = root.plan(variables)?;
    let changed: Vec<_> = changes.iter().filter(|c| c.actions != ["no-op"]).collect();
    ensure!(
        changed.iter().any(|c| c.address.ends_with(ECS_SERVICE) && c.actions == ["update"]),
        "the rollback does not show: {changed:#?}"
    );
    std::fs::write(file, good)?;
    Ok(())
}

fn orders(view: &Value) -> Result<Value> {
    let services = view["services"].as_array().into_iter().flatten();
    let found = services.into_iter().find(|s| s["name"] == "orders-service");
    found.cloned().context("no orders-service")
}

fn revision(endpoint: &Endpoint) -> Result<Value> {
    Ok(orders(&endpoint.json(&["ps"])?)?["revision"].clone())
}

/// Fixed-rate load in the background.
struct Load {
    child: Child,
}

impl Load {
    fn start<'a>(endpoint: &Endpoint, urls: impl Iterator<Item = &'a str>) -> Result<Load> {
        let mut command =
            endpoint.command(&["load", "--rate", "50", "--duration", "1200", "--json"]);
        command.args(urls).stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(Load { child: command.spawn()? })
    }

    /// Ends it; no request may have failed.
    fn flawless(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-s", "INT", &pid]).status()?;
        let mut text = String::new();
        let mut report = self.child.stdout.take().context("no report")?;
        std::io::Read::read_to_string(&mut report, &mut text)?;
        let report: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        ensure!(report["failed"] == 0, "{report:#}");
        ensure!(report["ok"].as_u64() >= Some(1000), "{report:#}");
        crate::say(&format!("{} requests, none failed", report["ok"]));
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _ended = self.child.wait();
    }
}
