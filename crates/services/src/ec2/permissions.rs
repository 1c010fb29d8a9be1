//! Rules of security groups. A client's rules are records with ids of their own, and the
//! platform's group is made from them at every change; a rule that the platform has no traffic
//! for (IPv6, other protocols) is kept all the same.

use neargate_core::Platform;
use neargate_core::input::Command;
use neargate_core::network::{Peer, Protocol, SecurityGroupSpec, SecurityRule};
use serde_json::{Map, Value, json};

use super::kinds::RULE;
use super::security_groups::{find, find_own};
use super::{done, invalid, prefix_lists, range, tagging};
use crate::error::{self, AwsError};
use crate::records::Ids;
use crate::{Answer, arn, fields, names};

/// Members that say what a rule lets through.
const MATCH: [&str; 8] = [
    "IsEgress",
    "IpProtocol",
    "FromPort",
    "ToPort",
    "CidrIpv4",
    "CidrIpv6",
    "PrefixListId",
    "ReferencedGroupInfo",
];

/// The four kinds of peers: the list in a permission, its member, and the rule's member.
const PEERS: [(&str, &str, &str); 4] = [
    ("IpRanges", "CidrIp", "CidrIpv4"),
    ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId", "PrefixListId"),
    ("UserIdGroupPairs", "GroupId", "ReferencedGroupInfo"),
];

fn key(rule: &Value) -> String {
    let member = |name| fields::text(rule, name).unwrap_or_default();
    format!("{}/{}", member("GroupId"), member("SecurityGroupRuleId"))
}

fn rule(owner: &str, group: &str, egress: bool, protocol: &str, ports: (i64, i64)) -> Value {
    json!({
        "GroupId": group,
        "GroupOwnerId": owner,
        "IsEgress": egress,
        "IpProtocol": protocol,
        "FromPort": ports.0,
        "ToPort": ports.1,
    })
}

/// The rule that a new group has.
pub(super) fn everything_out(ids: &mut Ids, owner: &str, group: &str) -> Value {
    let mut rule = rule(owner, group, true, "-1", (-1, -1));
    rule["CidrIpv4"] = json!("0.0.0.0/0");
    rule["SecurityGroupRuleId"] = json!(ids.id("sgr"));
    rule
}

/// The rules of a new VPC's own group: also, its members reach each other.
pub(super) fn of_default_group(ids: &mut Ids, owner: &str, group: &str) -> Vec<Value> {
    let mut among = rule(owner, group, false, "-1", (-1, -1));
    among["ReferencedGroupInfo"] = json!({ "GroupId": group, "UserId": owner });
    among["SecurityGroupRuleId"] = json!(ids.id("sgr"));
    vec![among, everything_out(ids, owner, group)]
}

/// A group's rules: records of a client's, derived from what is described for others.
pub(super) fn of(platform: &Platform, group: &SecurityGroupSpec) -> Vec<Value> {
    let id = names::security_group_id(&group.name);
    if names::is_of_client(&group.name) {
        return RULE.records.starting(platform, &format!("{id}/")).map(|(_, rule)| rule).collect();
    }
    let owner = &platform.identity().account;
    let ingress = group.ingress.iter().map(|rule| (false, rule));
    let all = ingress.chain(group.egress.iter().map(|rule| (true, rule))).enumerate();
    all.map(|(index, (egress, spec))| {
        let (protocol, all) = match spec.protocol {
            Protocol::All => ("-1", (-1, -1)),
            Protocol::Tcp => ("tcp", (0, 65_535)),
            Protocol::Udp => ("udp", (0, 65_535)),
            Protocol::Icmp => ("icmp", (-1, -1)),
        };
        let ports = spec.ports.map_or(all, |(low, high)| (i64::from(low), i64::from(high)));
        let mut rule = rule(owner, &id, egress, protocol, ports);
        match &spec.peer {
            Peer::Range(base, prefix) => rule["CidrIpv4"] = json!(range::show((*base, *prefix))),
            Peer::Group(name) => {
                let peer = names::security_group_id(name);
                rule["ReferencedGroupInfo"] = json!({ "GroupId": peer, "UserId": owner });
            }
        }
        let number = arn::derived(&[b"sgr", id.as_bytes(), &index.to_le_bytes()]);
        rule["SecurityGroupRuleId"] = json!(format!("sgr-0{number:016x}"));
        rule
    })
    .collect()
}

/// The rule with that id.
pub(super) fn find_by_id(platform: &Platform, id: &str) -> Option<Value> {
    let groups = platform.security_groups().flat_map(|group| of(platform, group));
    groups.into_iter().find(|rule| fields::text(rule, "SecurityGroupRuleId") == Some(id))
}

/// Rules as a group shows them: those with the same protocol and ports are one permission.
pub(super) fn joined(rules: &[Value], egress: bool) -> Value {
    let mut permissions: Vec<Value> = Vec::new();
    for rule in rules.iter().filter(|rule| rule["IsEgress"] == json!(egress)) {
        let mut permission = json!({ "IpProtocol": rule["IpProtocol"] });
        if rule["IpProtocol"] != "-1" {
            permission["FromPort"] = rule["FromPort"].clone();
            permission["ToPort"] = rule["ToPort"].clone();
        }
        let same = |p: &&mut Value| {
            ["IpProtocol", "FromPort", "ToPort"].iter().all(|m| p.get(*m) == permission.get(*m))
        };
        let at = match permissions.iter_mut().find(same) {
            Some(known) => known,
            None => {
                for (list, ..) in PEERS {
                    permission[list] = json!([]);
                }
                permissions.push(permission);
                match permissions.last_mut() {
                    Some(new) => new,
                    None => continue,
                }
            }
        };
        for (list, member, of_rule) in PEERS {
            let Some(peer) = rule.get(of_rule) else { continue };
            let mut entry = match peer {
                Value::Object(_) => peer.clone(),
                peer => json!({ member: peer }),
            };
            fields::set(&mut entry, "Description", rule.get("Description").cloned());
            if let Some(entries) = at[list].as_array_mut() {
                entries.push(entry);
            }
        }
    }
    Value::Array(permissions)
}

/// The platform's words for a rule; none for traffic that there is not.
fn acted_on(platform: &Platform, rule: &Value) -> Vec<SecurityRule> {
    let port = |member: &str| rule.get(member).and_then(Value::as_i64);
    let protocol = match fields::text(rule, "IpProtocol") {
        Some("-1") => Protocol::All,
        Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some("icmp") => Protocol::Icmp,
        _ => return Vec::new(),
    };
    let ports = match protocol {
        Protocol::All | Protocol::Icmp => None,
        Protocol::Tcp | Protocol::Udp => {
            let number = |port: Option<i64>| port.and_then(|p| u16::try_from(p).ok());
            match number(port("FromPort")).zip(number(port("ToPort"))) {
                Some((0, 65_535)) => None,
                Some(ports) => Some(ports),
                None => return Vec::new(),
            }
        }
    };
    let ranges = match fields::text(rule, "PrefixListId") {
        Some(id) => prefix_lists::ranges(platform, id),
        None => fields::text(rule, "CidrIpv4").and_then(range::parse).into_iter().collect(),
    };
    let group = rule.get("ReferencedGroupInfo").and_then(|peer| fields::text(peer, "GroupId"));
    let group = group.map(|id| Peer::Group(names::security_group_name(platform, id)));
    let peers = ranges.into_iter().map(|(base, prefix)| Peer::Range(base, prefix)).chain(group);
    peers.map(|peer| SecurityRule { protocol, ports, peer }).collect()
}

/// Makes these the rules of a group, in place of those it had.
pub(super) fn put(
    platform: &Platform,
    mut spec: SecurityGroupSpec,
    rules: &[Value],
    before: &[Value],
) -> Vec<Command> {
    let of = |egress: bool| {
        let rules = rules.iter().filter(|rule| rule["IsEgress"] == json!(egress));
        rules.flat_map(|rule| acted_on(platform, rule)).collect()
    };
    spec.ingress = of(false);
    spec.egress = of(true);
    let mut commands = vec![Command::PutSecurityGroup(spec)];
    let changed = rules.iter().filter(|rule| !before.contains(rule));
    commands.extend(changed.map(|rule| RULE.records.put(&key(rule), rule)));
    let stays = |rule: &&Value| rules.iter().any(|other| key(other) == key(rule));
    for rule in before.iter().filter(|rule| !stays(rule)) {
        commands.push(RULE.records.remove(&key(rule)));
        let id = fields::text(rule, "SecurityGroupRuleId").unwrap_or_default();
        commands.extend(tagging::forget(platform, id));
    }
    commands
}

/// The rules of a group that is gone.
pub(super) fn gone(platform: &Platform, group: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    for (key, _) in RULE.records.starting(platform, &format!("{group}/")) {
        commands.push(RULE.records.remove(key));
        let id = key.rsplit('/').next().unwrap_or_default();
        commands.extend(tagging::forget(platform, id));
    }
    commands
}

fn same(a: &Value, b: &Value) -> bool {
    MATCH.iter().all(|member| a.get(*member) == b.get(*member))
}

fn protocol(text: &str) -> Result<String, AwsError> {
    let lower = text.to_ascii_lowercase();
    let known = match lower.as_str() {
        "-1" | "all" => "-1",
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        number if number.parse::<u8>().is_ok() => number,
        _ => {
            return Err(invalid(format!(
                "Invalid value '{text}' for IP protocol. Unknown protocol."
            )));
        }
    };
    Ok(known.to_owned())
}

/// A rule with its protocol, ports and peer as EC2 keeps them.
fn checked(
    platform: &Platform,
    group: &SecurityGroupSpec,
    mut rule: Value,
) -> Result<Value, AwsError> {
    let kind = protocol(fields::text(&rule, "IpProtocol").unwrap_or_default())?;
    let port = |member: &str| rule.get(member).and_then(Value::as_i64);
    let (from, to) = match kind.as_str() {
        "tcp" | "udp" => {
            let (from, to) = (port("FromPort"), port("ToPort"));
            let inside = |p: Option<i64>| p.filter(|p| (0..=65_535).contains(p));
            match inside(from).zip(inside(to)).filter(|(from, to)| from <= to) {
                Some(ports) => ports,
                None => {
                    return Err(invalid(format!(
                        "Invalid TCP/UDP port range ({}:{})",
                        from.unwrap_or(-1),
                        to.unwrap_or(-1)
                    )));
                }
            }
        }
        "icmp" | "icmpv6" => (port("FromPort").unwrap_or(-1), port("ToPort").unwrap_or(-1)),
        _ => (-1, -1),
    };
    rule["IpProtocol"] = json!(kind);
    rule["FromPort"] = json!(from);
    rule["ToPort"] = json!(to);
    if let Some(text) = fields::text(&rule, "CidrIpv4") {
        let Some(cidr) = range::parse(text) else {
            let message = format!("CIDR block {text} is malformed");
            return Err(error::client("InvalidPermission.Malformed", message));
        };
        rule["CidrIpv4"] = json!(range::show(cidr));
    }
    if let Some(id) = fields::text(&rule, "PrefixListId") {
        prefix_lists::find(platform, id)?;
    }
    if let Some(id) = rule.get("ReferencedGroupInfo").and_then(|peer| fields::text(peer, "GroupId"))
    {
        let peer = find(platform, id)?;
        if peer.vpc != group.vpc {
            let message = format!(
                "You have specified two resources that belong to different networks: '{id}'"
            );
            return Err(error::client("InvalidGroup.NotFound", message));
        }
    }
    Ok(rule)
}

/// The rules that a list of permissions comes to, without ids.
fn spread(
    platform: &Platform,
    group: &SecurityGroupSpec,
    input: &Value,
    egress: bool,
) -> Result<Vec<Value>, AwsError> {
    let mut permissions = fields::list(input, "IpPermissions").to_vec();
    if fields::sent(input, "IpProtocol") {
        let mut one = json!({
            "IpProtocol": input["IpProtocol"],
            "FromPort": input["FromPort"],
            "ToPort": input["ToPort"],
        });
        if let Some(cidr) = fields::text(input, "CidrIp") {
            one["IpRanges"] = json!([{ "CidrIp": cidr }]);
        }
        permissions.push(one);
    }
    let owner = &platform.identity().account;
    let id = names::security_group_id(&group.name);
    let mut rules = Vec::new();
    for permission in &permissions {
        for (list, member, of_rule) in PEERS {
            for peer in fields::list(permission, list) {
                let mut rule = json!({
                    "GroupId": id,
                    "GroupOwnerId": owner,
                    "IsEgress": egress,
                    "IpProtocol": permission["IpProtocol"],
                    "FromPort": permission["FromPort"],
                    "ToPort": permission["ToPort"],
                });
                let value = fields::text(peer, member).unwrap_or_default();
                rule[of_rule] = match of_rule {
                    "ReferencedGroupInfo" => json!({ "GroupId": value, "UserId": owner }),
                    _ => json!(value),
                };
                fields::set(&mut rule, "Description", fields::text(peer, "Description"));
                rules.push(checked(platform, group, rule)?);
            }
        }
    }
    if rules.is_empty() {
        let message = "The request must contain a rule with an address range, a prefix list or a security group";
        return Err(error::client("MissingParameter", message));
    }
    Ok(rules)
}

fn own_group<'a>(platform: &'a Platform, input: &Value) -> Result<&'a SecurityGroupSpec, AwsError> {
    match fields::text(input, "GroupId") {
        Some(id) => find_own(platform, id),
        None => Err(error::client("MissingParameter", "The request must contain the GroupId")),
    }
}

/// A rule as errors call it.
fn peer_words(rule: &Value) -> String {
    let group = rule.get("ReferencedGroupInfo").and_then(|peer| fields::text(peer, "GroupId"));
    let peer = ["CidrIpv4", "CidrIpv6", "PrefixListId"]
        .iter()
        .find_map(|member| fields::text(rule, member))
        .or(group)
        .unwrap_or_default();
    let protocol = fields::text(rule, "IpProtocol").unwrap_or_default();
    match protocol {
        "-1" => format!("peer: {peer}, ALL, ALLOW"),
        other => format!(
            "peer: {peer}, {}, from port: {}, to port: {}, ALLOW",
            other.to_ascii_uppercase(),
            rule["FromPort"],
            rule["ToPort"]
        ),
    }
}

fn authorize(platform: &Platform, input: &Value, egress: bool) -> Result<Answer, AwsError> {
    let group = own_group(platform, input)?;
    let before = of(platform, group);
    let mut after = before.clone();
    let mut ids = Ids::of(platform);
    let mut new = Vec::new();
    let mut commands = Vec::new();
    for mut rule in spread(platform, group, input, egress)? {
        if after.iter().any(|known| same(known, &rule)) {
            let words = peer_words(&rule);
            let message = format!("the specified rule \"{words}\" already exists");
            return Err(error::client("InvalidPermission.Duplicate", message));
        }
        let id = ids.id("sgr");
        rule["SecurityGroupRuleId"] = json!(id);
        commands.extend(tagging::on_new(&RULE, &id, input));
        after.push(rule.clone());
        new.push(rule);
    }
    commands.push(ids.taken());
    commands.extend(put(platform, group.clone(), &after, &before));
    Answer::after(commands, move |platform| {
        let rules: Vec<Value> = new.iter().map(|rule| view(platform, rule)).collect();
        json!({ "Return": true, "SecurityGroupRules": rules })
    })
}

pub(super) fn authorize_ingress(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    authorize(platform, input, false)
}

pub(super) fn authorize_egress(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    authorize(platform, input, true)
}

fn revoke(platform: &Platform, input: &Value, egress: bool) -> Result<Answer, AwsError> {
    let group = own_group(platform, input)?;
    let before = of(platform, group);
    let mut after = before.clone();
    let asked = fields::texts(input, "SecurityGroupRuleIds");
    let missing = || {
        let message = "The specified rule does not exist in this security group.";
        error::client("InvalidPermission.NotFound", message)
    };
    for id in &asked {
        let count = after.len();
        after.retain(|rule| fields::text(rule, "SecurityGroupRuleId") != Some(id));
        if after.len() == count {
            return Err(RULE.not_found(id));
        }
    }
    if asked.is_empty() {
        for rule in spread(platform, group, input, egress)? {
            let count = after.len();
            after.retain(|known| !same(known, &rule));
            if after.len() == count {
                return Err(missing());
            }
        }
    }
    Answer::after(put(platform, group.clone(), &after, &before), done)
}

pub(super) fn revoke_ingress(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    revoke(platform, input, false)
}

pub(super) fn revoke_egress(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    revoke(platform, input, true)
}

pub(super) fn modify(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let group = own_group(platform, input)?;
    let before = of(platform, group);
    let mut after = before.clone();
    for change in fields::list(input, "SecurityGroupRules") {
        let id = fields::text(change, "SecurityGroupRuleId").unwrap_or_default();
        let known = |rule: &&mut Value| fields::text(rule, "SecurityGroupRuleId") == Some(id);
        let place = after.iter_mut().find(known).ok_or_else(|| RULE.not_found(id))?;
        let wanted = &change["SecurityGroupRule"];
        let mut rule = Map::new();
        for member in ["GroupId", "GroupOwnerId", "IsEgress", "SecurityGroupRuleId"] {
            rule.insert(member.to_owned(), place[member].clone());
        }
        for member in [
            "IpProtocol",
            "FromPort",
            "ToPort",
            "CidrIpv4",
            "CidrIpv6",
            "PrefixListId",
            "Description",
        ] {
            if let Some(value) = wanted.get(member).filter(|v| !v.is_null()) {
                rule.insert(member.to_owned(), value.clone());
            }
        }
        if let Some(peer) = fields::text(wanted, "ReferencedGroupId") {
            let owner = &platform.identity().account;
            let peer = json!({ "GroupId": peer, "UserId": owner });
            rule.insert("ReferencedGroupInfo".to_owned(), peer);
        }
        *place = checked(platform, group, Value::Object(rule))?;
    }
    Answer::after(put(platform, group.clone(), &after, &before), done)
}

fn describe_anew(platform: &Platform, input: &Value, egress: bool) -> Result<Answer, AwsError> {
    let group = own_group(platform, input)?;
    let before = of(platform, group);
    let mut after = before.clone();
    let by_id = fields::list(input, "SecurityGroupRuleDescriptions");
    let mut wanted: Vec<(Value, Option<&str>)> = Vec::new();
    for change in by_id {
        let id = fields::text(change, "SecurityGroupRuleId").unwrap_or_default();
        let known = before.iter().find(|r| fields::text(r, "SecurityGroupRuleId") == Some(id));
        let rule = known.ok_or_else(|| RULE.not_found(id))?;
        wanted.push((rule.clone(), fields::text(change, "Description")));
    }
    let spread = match by_id.is_empty() {
        true => spread(platform, group, input, egress)?,
        false => Vec::new(),
    };
    wanted.extend(spread.iter().map(|rule| (rule.clone(), fields::text(rule, "Description"))));
    for (rule, description) in wanted {
        let Some(place) = after.iter_mut().find(|known| same(known, &rule)) else {
            let message = "The specified rule does not exist in this security group.";
            return Err(error::client("InvalidPermission.NotFound", message));
        };
        if let Some(place) = place.as_object_mut() {
            place.remove("Description");
            place.extend(description.map(|text| ("Description".to_owned(), json!(text))));
        }
    }
    Answer::after(put(platform, group.clone(), &after, &before), done)
}

pub(super) fn describe_ingress_anew(
    platform: &Platform,
    input: &Value,
) -> Result<Answer, AwsError> {
    describe_anew(platform, input, false)
}

pub(super) fn describe_egress_anew(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    describe_anew(platform, input, true)
}

fn view(platform: &Platform, rule: &Value) -> Value {
    let id = fields::text(rule, "SecurityGroupRuleId").unwrap_or_default();
    let mut view = rule.clone();
    let path = format_args!("security-group-rule/{id}");
    view["SecurityGroupRuleArn"] = json!(arn::of(platform.identity(), "ec2", path));
    view["Tags"] = tagging::view(platform, id);
    view
}

pub(super) fn describe(platform: &Platform, input: &Value) -> Result<Answer, AwsError> {
    let groups = platform.security_groups().flat_map(|group| of(platform, group));
    let all = groups.map(|rule| view(platform, &rule)).collect();
    RULE.list(platform, input, all)
}
