//! Two platforms compared field by field, what each road makes up aside.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What `neargate inventory --json` prints: by kind, then by name.
pub(crate) type Inventory = BTreeMap<String, BTreeMap<String, Value>>;

/// Kinds that are not compared, by their beginning, and why.
const KINDS_LEFT_OUT: [(&str, &str); 2] = [
    ("records of ", "kept for AWS clients; the platform gives them no meaning"),
    ("notes", "how an AWS client worded what is compared as a specification"),
];

/// Things that are not compared, by kind and the end of the name, and why.
const THINGS_LEFT_OUT: [(&str, &str, &str); 1] =
    [("logGroups", "/exec", "of sessions in containers, which only AWS records")];

/// Fields that are not compared, wherever they are, and why.
const FIELDS_LEFT_OUT: [(&str, &str); 1] =
    [("host_port", "every platform of this machine has its own")];

/// Tags that are not compared, and why.
const TAGS_LEFT_OUT: [(&str, &str); 5] = [
    ("neargate:system", "how `neargate up` finds again what it made; Terraform has a state"),
    ("neargate:environment", "the same"),
    ("Project", "of the provider's `default_tags`, for the bill"),
    ("Environment", "the same"),
    ("Service", "of the modules, for the bill"),
];

/// Lists in which the order means nothing.
const SETS: [&str; 7] =
    ["subnets", "security_groups", "ingress", "egress", "capacity", "PathPattern", "HostHeader"];

/// What is different, a line each: `kind name field: up ..., terraform ...`.
pub(crate) fn differences(up: &Inventory, terraform: &Inventory) -> Vec<String> {
    let (up, terraform) = (comparable(up), comparable(terraform));
    let paths: BTreeSet<&String> = up.keys().chain(terraform.keys()).collect();
    let shown = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
    paths
        .into_iter()
        .filter(|path| up.get(*path) != terraform.get(*path))
        .map(|path| {
            format!("{path}: up {}, terraform {}", shown(up.get(path)), shown(terraform.get(path)))
        })
        .collect()
}

/// How many fields are compared.
pub(crate) fn fields(inventory: &Inventory) -> usize {
    comparable(inventory).len()
}

/// Every field by `kind name field`.
fn comparable(inventory: &Inventory) -> BTreeMap<String, String> {
    let names = Names::of(inventory);
    let mut fields = BTreeMap::new();
    for (kind, things) in inventory {
        if KINDS_LEFT_OUT.iter().any(|(start, _)| kind.starts_with(start)) {
            continue;
        }
        for (name, thing) in things {
            if matches!(&**kind, "secrets" | "parameters") && !names.is_read(name) {
                // A value that no container reads makes no difference to the platform.
                continue;
            }
            let left_out = |end: &(&str, &str, &str)| end.0 == kind && name.ends_with(end.1);
            if THINGS_LEFT_OUT.iter().any(left_out) {
                continue;
            }
            let path = format!("{kind} {}", names.plain(name));
            flatten(&path, &names.normal(thing), &mut fields);
        }
    }
    fields
}

fn flatten(path: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                flatten(&format!("{path} {name}"), value, fields);
            }
        }
        Value::Array(list) if !list.is_empty() && list.iter().all(|v| key(v).is_some()) => {
            for value in list {
                flatten(&format!("{path} {}", key(value).unwrap_or_default()), value, fields);
            }
        }
        other => {
            fields.insert(path.to_owned(), other.to_string());
        }
    }
}

/// What tells one member of a list from another: of containers the name, of rules the priority.
fn key(value: &Value) -> Option<String> {
    let name = value["name"].as_str().map(str::to_owned);
    name.or_else(|| Some(value["priority"].as_u64()?.to_string()))
}

/// What stands for the ids that one road made up.
struct Names {
    /// Tag `Name` of what EC2 gave an id.
    by_id: BTreeMap<String, String>,
    secrets: BTreeSet<String>,
    /// All `valueFrom` of containers.
    read: BTreeSet<String>,
}

impl Names {
    fn of(inventory: &Inventory) -> Names {
        let of_kind = |kind: &str| inventory.get(kind).cloned().unwrap_or_default();
        let by_id = of_kind("records of ec2").into_iter().filter_map(|(subject, record)| {
            let id = subject.strip_prefix("tags/")?;
            Some((id.to_owned(), record["tags"]["Name"].as_str()?.to_owned()))
        });
        let mut names = Names {
            by_id: by_id.collect(),
            secrets: of_kind("secrets").into_keys().collect(),
            read: BTreeSet::new(),
        };
        let definitions = of_kind("taskDefinitions");
        let containers = definitions.values().filter_map(|d| d["containers"].as_array()).flatten();
        let secrets = containers.filter_map(|container| container["secrets"].as_object()).flatten();
        names.read = secrets.filter_map(|(_, from)| Some(names.plain(from.as_str()?))).collect();
        names
    }

    fn is_read(&self, name: &str) -> bool {
        self.read.iter().any(|from| match from.split_once(":secret:") {
            None => from == name,
            Some((_, secret)) => secret.split(':').next() == Some(name),
        })
    }

    fn normal(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::from(self.plain(text)),
            Value::Array(list) => list.iter().map(|value| self.normal(value)).collect(),
            Value::Object(members) => members
                .iter()
                .filter(|(name, _)| !FIELDS_LEFT_OUT.iter().any(|(field, _)| field == name))
                .map(|(name, value)| (name.clone(), self.member(name, value)))
                .collect(),
            other => other.clone(),
        }
    }

    fn member(&self, name: &str, value: &Value) -> Value {
        let mut normal = self.normal(value);
        if let (true, Value::Array(list)) = (SETS.contains(&name), &mut normal) {
            list.sort_by_key(Value::to_string);
        }
        if let ("tags", Value::Object(tags)) = (name, &mut normal) {
            tags.retain(|tag, _| !TAGS_LEFT_OUT.iter().any(|(left_out, _)| left_out == tag));
        }
        normal
    }

    /// The text with names for ids: `vpc-...`, `subnet-...` and `sg-...` become their tag `Name`,
    /// an image loses the account's registry, a secret's ARN its six random letters.
    fn plain(&self, text: &str) -> String {
        if let Some(name) = self.by_id.get(text) {
            return name.clone();
        }
        if let Some((registry, image)) = text.split_once('/')
            && registry.contains(".dkr.ecr.")
        {
            return image.to_owned();
        }
        if let Some((arn, rest)) = text.split_once(":secret:") {
            let (name, key) = rest.split_at(rest.find(':').unwrap_or(rest.len()));
            let known = |name: &str| self.secrets.contains(name);
            if let Some(short) = name.len().checked_sub(7).and_then(|end| name.get(..end))
                && !known(name)
                && known(short)
            {
                return format!("{arn}:secret:{short}{key}");
            }
        }
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inventory(value: Value) -> Inventory {
        serde_json::from_value(value).expect("an inventory")
    }

    fn by_terraform() -> Inventory {
        inventory(json!({
            "records of ec2": {
                "tags/vpc-1": { "tags": { "Name": "shop" } },
                "tags/subnet-1": { "tags": { "Name": "shop-a" } },
                "tags/subnet-2": { "tags": { "Name": "shop-b" } },
            },
            "vpcs": { "vpc-1": { "name": "vpc-1", "prefix": 16 } },
            "secrets": { "shop-config": {}, "unread": {} },
            "services": { "shop/web": {
                "subnets": ["subnet-2", "subnet-1"], "desired_count": 2,
                "tags": { "Project": "shop", "Team": "a" },
            } },
            "taskDefinitions": { "web:1": { "containers": [{
                "name": "web", "image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/web:1",
                "secrets": { "KEY": "arn:aws:secretsmanager:us-east-1:0:secret:shop-config-a1B2c3:KEY::" },
            }] } },
        }))
    }

    fn by_up() -> Inventory {
        inventory(json!({
            "vpcs": { "shop": { "name": "shop", "prefix": 16 } },
            "secrets": { "shop-config": {} },
            "services": { "shop/web": {
                "subnets": ["shop-a", "shop-b"], "desired_count": 2,
                "tags": { "neargate:system": "shop", "Team": "a" },
            } },
            "taskDefinitions": { "web:1": { "containers": [{
                "name": "web", "image": "web:1",
                "secrets": { "KEY": "arn:aws:secretsmanager:us-east-1:0:secret:shop-config:KEY::" },
            }] } },
        }))
    }

    #[test]
    fn what_a_road_makes_up_is_no_difference() {
        let found = differences(&by_up(), &by_terraform());
        assert!(found.is_empty(), "{found:#?}");
        assert_eq!(fields(&by_up()), fields(&by_terraform()));
    }

    #[test]
    fn everything_else_is() {
        let mut up = by_up();
        let service = up.get_mut("services").and_then(|s| s.get_mut("shop/web")).expect("it");
        service["desired_count"] = json!(3);
        service["tags"]["Team"] = json!("b");
        service["subnets"] = json!(["shop-a"]);
        let definition = up.get_mut("taskDefinitions").and_then(|d| d.get_mut("web:1"));
        definition.expect("it")["containers"][0]["image"] = json!("web:2");
        up.entry("logGroups".into()).or_default().insert("/shop".into(), json!({}));
        let expected = [
            "logGroups /shop: up {}, terraform nothing",
            "services shop/web desired_count: up 3, terraform 2",
            "services shop/web subnets: up [\"shop-a\"], terraform [\"shop-a\",\"shop-b\"]",
            "services shop/web tags Team: up \"b\", terraform \"a\"",
            "taskDefinitions web:1 containers web image: up \"web:2\", terraform \"web:1\"",
        ];
        assert_eq!(differences(&up, &by_terraform()), expected);
    }
}
