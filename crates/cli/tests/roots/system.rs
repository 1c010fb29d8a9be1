//! An environment of a system, from nothing to nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::changes;
use crate::endpoint::Endpoint;
use crate::equality::{self, Inventory};
use crate::facts::{self, World};
use crate::serving;
use crate::terraform::Root;
use crate::wire_time::WireTime;

/// What runs when nobody asks for something else: the longest first.
const DEFAULT: [&str; 5] = [
    "modular-template/dev",
    "customer-order-portal/production",
    "broxiva/dev",
    "backend-booking/dev",
    "microservices",
];

/// Where changes are made besides.
const CHANGED: &str = "modular-template/dev";

/// CP-52: what the order portal's state holds in production.
const COUNTED: &str = "customer-order-portal/production";
const COUNTS: [(&str, usize); 13] = [
    ("aws_vpc", 1),
    ("aws_subnet", 6),
    ("aws_ecs_cluster", 1),
    ("aws_ecs_service", 9),
    ("aws_ecs_task_definition", 9),
    ("aws_iam_role", 18),
    ("aws_security_group", 4),
    ("aws_lb", 1),
    ("aws_lb_target_group", 9),
    ("aws_db_instance", 1),
    ("aws_s3_bucket", 1),
    ("aws_cloudfront_distribution", 1),
    ("aws_cloudwatch_log_group", 9),
];

/// What a destroy leaves in the inventory, by the beginning of kind and name, and why.
const STAYS: [(&str, &str); 4] = [
    ("notes arn:aws:ecs:", "deleted services and revisions are described for a while"),
    ("records of ec2 natgateway/", "a deleted NAT gateway is listed for an hour"),
    ("records of kms key/", "a key is deleted only after days"),
    ("records of servicediscovery operation/", "what became of requests is remembered"),
];

/// `system/environment`; a system alone has all its environments in one state.
#[derive(Debug)]
pub(crate) struct Case {
    name: String,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Where the facts about a case stand.
pub(crate) fn facts_file(case: &str) -> PathBuf {
    let name = case.replace('/', "-");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/roots/facts/{name}.txt"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Case {
    /// What is asked for: names, `all`, or nothing.
    pub(crate) fn wanted(wanted: Option<&str>) -> Vec<Case> {
        let names: Vec<String> = match wanted {
            None => DEFAULT.map(str::to_owned).to_vec(),
            Some("all") => every(),
            Some(names) => names.split(',').map(str::to_owned).collect(),
        };
        names.into_iter().map(|name| Case { name }).collect()
    }

    fn system(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    fn environment(&self) -> Option<&str> {
        self.name.split_once('/').map(|(_, environment)| environment)
    }

    fn folder(&self) -> PathBuf {
        repository().join("systems").join(self.system())
    }

    pub(crate) fn run(&self) -> Result<()> {
        let system = neargate_system::load(&self.folder()).map_err(|e| anyhow!("{e}"))?;
        let endpoint = Endpoint::start_in(&system.region)?;
        let by_up = std::thread::scope(|scope| {
            let by_up = scope.spawn(|| self.by_up());
            let run = self.run_on(&endpoint);
            let by_up = by_up.join().expect("no panic");
            run.map(|by_terraform| (by_up, by_terraform))
        });
        let (by_up, by_terraform) = by_up.map_err(|error| {
            anyhow!("{error:#}\nThe engine's log ends with:\n{}", endpoint.log())
        })?;
        let differences = equality::differences(&by_up?, &by_terraform);
        ensure!(differences.is_empty(), "the roads differ:\n{}", differences.join("\n"));
        crate::say(&format!("{self}: {} fields are equal", equality::fields(&by_terraform)));
        Ok(())
    }

    /// From an empty endpoint to an empty endpoint; what the platform was in between. MT-41: all of it
    /// comes from code; CP-102: a second plan wants nothing; CP-65: a destroy leaves nothing.
    fn run_on(&self, endpoint: &Endpoint) -> Result<Inventory> {
        endpoint.must(&["images", &self.folder().to_string_lossy()])?;
        let before = endpoint.inventory()?;
        let wire = WireTime::before(&endpoint.url)?;
        let root = self.root(&wire.url)?;
        let variables = self.variables(&root)?;
        let variables: Vec<&Path> = variables.iter().map(PathBuf::as_path).collect();

        let apply = Step::begin(self, "apply", endpoint, &wire)?;
        root.apply_with(&variables)?;
        apply.end()?;
        let inventory = endpoint.inventory()?;
        let addresses = root.addresses()?;
        self.counts(&addresses)?;
        let services = serving::all_steady(endpoint)?;
        let routes = serving::routes(endpoint, &inventory)?;
        serving::all_answer(&routes)?;
        crate::say(&format!(
            "{self}: {} addresses, {services} services steady, {} routes answer",
            addresses.len(),
            routes.len()
        ));

        let plan = Step::begin(self, "second plan", endpoint, &wire)?;
        root.nothing_to_do("after the apply", &variables)?;
        plan.end()?;

        self.facts(&root, &variables)?;

        if self.name == CHANGED {
            changes::make(endpoint, &root, &variables, &inventory)?;
        }

        self.unprotect(&root, &variables)?;
        let destroy = Step::begin(self, "destroy", endpoint, &wire)?;
        root.destroy(&variables)?;
        destroy.end()?;
        let left = left_over(&before, &endpoint.inventory()?);
        ensure!(left.is_empty(), "left after the destroy:\n{}", left.join("\n"));
        Ok(inventory)
    }

    /// The root in a copy of the tree, so that state and lock file stay out of the repository.
    fn root(&self, endpoint: &str) -> Result<Root> {
        let tree = tempfile::Builder::new().prefix("neargate-roots").tempdir()?;
        let below = Path::new("systems").join(self.system()).join("terraform");
        copy(&repository().join("terraform/modules"), &tree.path().join("terraform/modules"))?;
        copy(&repository().join(&below), &tree.path().join(&below))?;
        Root::within(endpoint, tree, &below)
    }

    /// Files of variables.
    fn variables(&self, root: &Root) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        if let Some(environment) = self.environment() {
            let file = root.folder().join(format!("environments/{environment}.tfvars"));
            ensure!(file.exists(), "there is no {}", file.display());
            files.push(file);
        }
        // Nothing is to stay after a destroy, also where old revisions are kept by default.
        let own = root.folder().join("own.tfvars.json");
        let own_values = match self.name == CHANGED {
            true => r#"{"keep_revisions": false, "wait_for_steady_state": true}"#,
            false => r#"{"keep_revisions": false}"#,
        };
        std::fs::write(&own, own_values)?;
        files.push(own);
        Ok(files)
    }

    /// Takes the protection from destruction away, as a person would: by a change that is applied.
    fn unprotect(&self, root: &Root, variables: &[&Path]) -> Result<()> {
        let file = root.folder().join("environments.tf");
        let text = std::fs::read_to_string(&file)?;
        let wanted = self.environment() == Some("prod");
        if !wanted || !text.contains("protected") {
            return Ok(());
        }
        let lines = text.lines().map(|line| match line.trim_start().starts_with("protected") {
            true => line.replace("= true", "= false"),
            false => line.to_owned(),
        });
        std::fs::write(&file, lines.collect::<Vec<_>>().join("\n"))?;
        root.apply_with(variables)?;
        Ok(())
    }

    /// What `neargate up` makes of the description on a platform of its own.
    fn by_up(&self) -> Result<Inventory> {
        let home = tempfile::Builder::new().prefix("neargate-roots-up").tempdir()?;
        let run = |arguments: &[&str]| -> Result<String> {
            let mut command = Command::new(env!("CARGO_BIN_EXE_neargate"));
            command.args(arguments).arg("--home").arg(home.path()).stdin(Stdio::null());
            let output = command.output()?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            if !output.status.success() {
                bail!("neargate {arguments:?}:\n{}{}", text(&output.stdout), text(&output.stderr));
            }
            Ok(text(&output.stdout))
        };
        let folder = self.folder();
        let folder = folder.to_string_lossy();
        let mut up = vec!["up", &folder, "--detach", "--driver", "process", "--pace", "20"];
        up.extend(["--port", "0", "--ephemeral-ports"]);
        if let Some(environment) = self.environment() {
            up.extend(["--env", environment]);
        }
        let inventory = run(&up).and_then(|_| run(&["inventory", "--json"]));
        run(&["down"])?;
        Ok(serde_json::from_str(&inventory?)?)
    }

    /// What the requirements ask of this environment, if there is a file about it.
    fn facts(&self, root: &Root, variables: &[&Path]) -> Result<()> {
        let file = facts_file(&self.name);
        if !file.exists() {
            return Ok(());
        }
        let mut failures = Vec::new();
        let mut count = 0;
        for section in facts::sections(&std::fs::read_to_string(&file)?)? {
            let shown = match &section.variables {
                None => root.state()?,
                Some(values) => {
                    let over = root.folder().join("facts.tfvars.json");
                    std::fs::write(&over, values.to_string())?;
                    let variables: Vec<&Path> =
                        variables.iter().copied().chain([over.as_path()]).collect();
                    root.planned(&variables)?
                }
            };
            failures.extend(section.failures(&World::of(&shown)?));
            count += section.len();
        }
        ensure!(failures.is_empty(), "{}:\n{}", file.display(), failures.join("\n"));
        crate::say(&format!("{self}: {count} facts hold"));
        Ok(())
    }

    /// CP-52, where it applies.
    fn counts(&self, addresses: &[String]) -> Result<()> {
        if self.name != COUNTED {
            return Ok(());
        }
        let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
        for address in addresses {
            // `module.a.module.b["x"].aws_vpc.this[0]`; a data source has `data` before its type.
            let parts: Vec<&str> = address.split('.').collect();
            if let Some(at) = parts.iter().position(|part| part.starts_with("aws_"))
                && at.checked_sub(1).is_none_or(|before| parts[before] != "data")
            {
                *counted.entry(parts[at]).or_default() += 1;
            }
        }
        let wrong: Vec<String> = COUNTS
            .iter()
            .map(|(kind, expected)| (kind, expected, counted.get(kind).copied().unwrap_or(0)))
            .filter(|(_, expected, found)| *expected != found)
            .map(|(kind, expected, found)| format!("{kind}: {found}, expected {expected}"))
            .collect();
        ensure!(wrong.is_empty(), "CP-52: {}", wrong.join(", "));
        ensure!(counted.contains_key("aws_secretsmanager_secret"), "CP-52: no secret");
        let total: usize = counted.values().sum();
        ensure!(total > 70, "CP-52: {total} resources in all");
        crate::say(&format!("{self}: {total} resources, CP-52 holds"));
        Ok(())
    }
}

/// All environments of all systems.
fn every() -> Vec<String> {
    let folder = repository().join("systems");
    let entries = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let mut names = Vec::new();
    for system in entries(folder).into_iter().filter(|path| path.join("terraform").is_dir()) {
        let name = system.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if DEFAULT.contains(&&*name) {
            names.push(name);
            continue;
        }
        for environment in entries(system.join("terraform/environments")) {
            let stem = environment.file_stem().unwrap_or_default().to_string_lossy();
            names.push(format!("{name}/{stem}"));
        }
    }
    names
}

/// What was not there before and should not have stayed, by kind and name.
fn left_over(before: &Inventory, after: &Inventory) -> Vec<String> {
    let known = |kind: &str, name: &str| before.get(kind).is_some_and(|b| b.contains_key(name));
    after
        .iter()
        .flat_map(|(kind, things)| things.iter().map(move |(name, thing)| (kind, name, thing)))
        .filter(|(kind, name, _)| !known(kind, name))
        .map(|(kind, name, thing)| format!("{kind} {name}: {thing}"))
        .filter(|line| !STAYS.iter().any(|(start, _)| line.starts_with(start)))
        .collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true if entry.file_name() == ".terraform" => {}
            true => copy(&entry.path(), &target)?,
            false => {
                std::fs::copy(entry.path(), target)?;
            }
        }
    }
    Ok(())
}

/// One command of Terraform, measured.
struct Step<'a> {
    what: String,
    endpoint: &'a Endpoint,
    wire: &'a WireTime,
    began: Instant,
    cpu_ms: u64,
}

impl<'a> Step<'a> {
    fn begin(case: &Case, what: &str, endpoint: &'a Endpoint, wire: &'a WireTime) -> Result<Self> {
        let cpu_ms = engine_cpu_ms(endpoint)?;
        let what = format!("{case}: {what}");
        Ok(Step { what, endpoint, wire, began: Instant::now(), cpu_ms })
    }

    fn end(self) -> Result<()> {
        let wall = self.began.elapsed().as_secs_f64();
        let (busy, requests) = self.wire.since(self.began);
        let cpu = (engine_cpu_ms(self.endpoint)? - self.cpu_ms) as f64 / 1000.0;
        let busy = busy.as_secs_f64();
        crate::say(&format!(
            "{}: {wall:.1} s, of which a request was under way {busy:.1} s ({:.0} %) in {requests} \
             requests; the engine worked {cpu:.1} s ({:.0} %)",
            self.what,
            100.0 * busy / wall,
            100.0 * cpu / wall,
        ));
        Ok(())
    }
}

fn engine_cpu_ms(endpoint: &Endpoint) -> Result<u64> {
    let status = endpoint.json(&["status"])?;
    status["engine"]["cpu_ms"].as_u64().with_context(|| status.to_string())
}
