//! That every rule of a load balancer leads to its service.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::equality::Inventory;

/// Nothing takes this long at this pace, even on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A request, and the service that answers it.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) url: String,
    host: String,
    service: String,
}

/// Waits until every service is steady; their number.
pub(crate) fn all_steady(endpoint: &Endpoint) -> Result<usize> {
    let began = Instant::now();
    loop {
        let view = endpoint.json(&["ps"])?;
        let services = view["services"].as_array().context("no services")?;
        let restless: Vec<&Value> = services.iter().filter(|s| s["steady"] != true).collect();
        if restless.is_empty() && !services.is_empty() {
            return Ok(services.len());
        }
        ensure!(began.elapsed() < PATIENCE, "not steady after {PATIENCE:?}: {restless:#?}");
        sleep(Duration::from_millis(200));
    }
}

/// One request for every pattern of every rule, and one for the default action.
pub(crate) fn routes(endpoint: &Endpoint, inventory: &Inventory) -> Result<Vec<Route>> {
    let view = endpoint.json(&["ps"])?;
    let balancers = view["loadBalancers"].as_array().context("no load balancers")?;
    let url = |name: &str| {
        let balancer = balancers.iter().find(|b| b["name"] == name);
        Some(balancer?["url"].as_str()?.trim_end_matches('/').to_owned())
    };
    // By target group.
    let services: BTreeMap<&str, &str> = inventory["services"]
        .iter()
        .flat_map(|(name, service)| {
            let bindings = service["load_balancers"].as_array().into_iter().flatten();
            let short = name.rsplit('/').next().unwrap_or_default();
            bindings.map(move |b| (b["target_group"].as_str().unwrap_or_default(), short))
        })
        .collect();
    let service = |action: &Value| {
        let group = action["Forward"][0]["target_group"].as_str()?;
        Some((*services.get(group)?).to_owned())
    };
    let mut routes = Vec::new();
    for listener in inventory["listeners"].values() {
        let balancer = listener["load_balancer"].as_str().unwrap_or_default();
        let url = url(balancer).with_context(|| format!("{balancer} listens nowhere"))?;
        let authority = url.trim_start_matches("http://").to_owned();
        if let Some(service) = service(&listener["default_action"]) {
            routes.push(Route { url: format!("{url}/"), host: authority.clone(), service });
        }
        for rule in listener["rules"].as_array().into_iter().flatten() {
            let of_kind = |kind: &str| -> Vec<String> {
                let conditions = rule["conditions"].as_array().into_iter().flatten();
                let patterns = conditions.filter_map(|c| c[kind].as_array()).flatten();
                // Something that the pattern matches.
                patterns.filter_map(|p| Some(p.as_str()?.replace(['*', '?'], "1"))).collect()
            };
            let (paths, hosts) = (of_kind("PathPattern"), of_kind("HostHeader"));
            let service =
                service(&rule["action"]).with_context(|| format!("{rule} leads nowhere"))?;
            let paths = if paths.is_empty() { vec!["/1".to_owned()] } else { paths };
            let hosts = if hosts.is_empty() { vec![authority.clone()] } else { hosts };
            for (path, host) in paths.iter().flat_map(|p| hosts.iter().map(move |h| (p, h))) {
                let url = format!("{url}{path}");
                routes.push(Route { url, host: host.clone(), service: service.clone() });
            }
        }
    }
    Ok(routes)
}

/// Every route leads to its service.
pub(crate) fn all_answer(routes: &[Route]) -> Result<()> {
    ensure!(!routes.is_empty(), "no rule leads to a service");
    for route in routes {
        let body = get(route).with_context(|| format!("{route:?}"))?;
        ensure!(body["service"] == *route.service, "{route:?}: {body}");
    }
    Ok(())
}

fn get(route: &Route) -> Result<Value> {
    let rest = route.url.trim_start_matches("http://");
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut stream = TcpStream::connect(authority)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", route.host)?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { bail!("no answer: {text}") };
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    serde_json::from_str(body).with_context(|| body.to_owned())
}
