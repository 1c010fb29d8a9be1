//! The ground containers stand on: the platform's network, its images, its control groups.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use neargate_core::effect::{Network, TaskLaunch};
use neargate_core::id::TaskId;
use neargate_core::network::VpcSpec;
use neargate_core::task_definition::ContainerDefinition;
use neargate_images::{BinaryImage, Digest, ImageReference, ImageStore, ImportOptions};
use neargate_vpc::{Eni, LINK_LOCAL_RESOLVER, METADATA, Range, Vpc};

use crate::cgroup::{Hierarchies, Limits};
use crate::container::{host_name, search_domain};
use crate::error::Error;
use crate::images::{Origin, Pulled};
use crate::layout::ContainerDir;
use crate::sandbox::{BackendKind, Sandbox};

/// Processes and threads a container may have. Fargate says nothing of a limit; without one a
/// single task could end the machine.
const PIDS: u64 = 4096;

/// Storage of a task that says nothing of it (ECS-TD-5).
const UNSAID_STORAGE_GIB: u32 = 20;

/// Blobs of a push that has not named its manifest yet are kept so long.
const UNFINISHED_PUSH: Duration = Duration::from_secs(24 * 3600);

/// By repository and tag: when the file was written, and its size.
type Imported = BTreeMap<(String, Option<String>), (SystemTime, u64)>;

/// One platform's ground.
pub(crate) struct Estate {
    vpc: Vpc,
    images: Arc<ImageStore>,
    backend: BackendKind,
    /// Control group of the platform, distinct from those of other homes.
    cgroup: String,
    /// The files images were taken from, by repository and tag: when they were written, how large.
    imported: Mutex<Imported>,
    /// Images of the tasks that are there.
    in_use: Mutex<BTreeMap<TaskId, BTreeSet<Digest>>>,
    /// Why the network is not as it was last wished.
    problem: Mutex<Option<String>>,
}

/// Directory of the platform's network below a home.
pub(crate) fn network_directory(home: &Path) -> PathBuf {
    home.join("network")
}

/// Names that are no longer wished for.
fn gone<'a, T>(
    old: &'a BTreeMap<String, T>,
    wished: impl Iterator<Item = &'a String>,
) -> Vec<&'a String> {
    let wished: BTreeSet<&String> = wished.collect();
    old.keys().filter(|name| !wished.contains(name)).collect()
}

/// The address of each VPC's own resolver.
fn resolvers_of(vpcs: &[VpcSpec]) -> BTreeSet<Ipv4Addr> {
    vpcs.iter().map(|vpc| neargate_vpc::resolver(Range::new(vpc.base, vpc.prefix))).collect()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Control group of the platform in `home`, distinct from those of other homes.
fn platform_group(home: &Path) -> io::Result<String> {
    let metadata = fs::metadata(home)?;
    Ok(format!("/neargate/{:x}-{:x}", metadata.dev(), metadata.ino()))
}

/// Removes what a platform without tasks still has on the machine outside its home's files: its
/// network and its control group. Nothing there is fine.
///
/// # Errors
/// What could not be removed, in one line.
pub fn clear_ground(home: &Path) -> Result<(), String> {
    neargate_vpc::tear_down(&network_directory(home)).map_err(|error| chain(&error))?;
    let removed = platform_group(home).and_then(|group| {
        Hierarchies::read()?.group(&group).remove_empty();
        Ok(())
    });
    removed.map_err(|error| format!("removing the platform's control group: {error}"))
}

/// Frees what belongs to no image any more, and to none of those in use.
pub(crate) fn free_images(images: &ImageStore, in_use: &BTreeSet<Digest>) {
    match images.collect_garbage(in_use, UNFINISHED_PUSH) {
        Ok(freed) => tracing::debug!(?freed, "removed what no image needs"),
        Err(error) => tracing::warn!("could not free images: {}", error.chain()),
    }
}

impl Estate {
    /// Makes the ground below `home`, or finds it again.
    pub(crate) fn open(
        home: &Path,
        images: Arc<ImageStore>,
        backend: BackendKind,
    ) -> Result<Self, Error> {
        let ground = |error: &dyn std::error::Error| Error::Ground { problem: chain(error) };
        let vpc = Vpc::open(&network_directory(home)).map_err(|error| ground(&error))?;
        for address in [LINK_LOCAL_RESOLVER, METADATA] {
            vpc.add_service_address(address).map_err(|error| ground(&error))?;
        }
        let cgroup = platform_group(home).map_err(|source| Error::Io {
            action: "look at",
            path: home.to_owned(),
            source,
        })?;
        Ok(Self {
            vpc,
            images,
            backend,
            cgroup,
            imported: Mutex::default(),
            in_use: Mutex::default(),
            problem: Mutex::new(None),
        })
    }

    /// Where the platform's network namespace is pinned.
    pub(crate) fn namespace(&self) -> PathBuf {
        self.vpc.namespace()
    }

    /// Images are taken from their files again, the store having lost them.
    pub(crate) fn forget_imports(&self) {
        self.imported.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A socket of the platform's network on which the tasks' metadata is served.
    pub(crate) fn metadata_listener(&self) -> io::Result<TcpListener> {
        neargate_vpc::netns::run_in(&self.vpc.namespace(), || TcpListener::bind((METADATA, 80)))?
    }

    /// Makes the network what it is to be. What does not work is told to the tasks that need it.
    pub(crate) fn publish(&self, network: &Network) {
        let mut problems = Vec::new();
        let mut note = |what: &str, name: &str, result: Result<(), neargate_vpc::Error>| {
            if let Err(error) = result {
                problems.push(format!("{what} {name}: {}", chain(&error)));
            }
        };
        let old = self.vpc.wish();
        for name in gone(&old.interfaces, network.interfaces.iter().map(|i| &i.name)) {
            note("load balancer", name, self.vpc.remove_interface(name));
        }
        for name in gone(&old.groups, network.security_groups.iter().map(|g| &g.name)) {
            note("security group", name, self.vpc.remove_group(name));
        }
        for name in gone(&old.subnets, network.subnets.iter().map(|s| &s.name)) {
            note("subnet", name, self.vpc.remove_subnet(name));
        }
        // Also at each VPC's own address: for tasks of the subnet that has it in its range, somebody
        // must be there whom they find.
        let resolvers = resolvers_of(&network.vpcs);
        for address in old.service_addresses.difference(&resolvers) {
            if ![LINK_LOCAL_RESOLVER, METADATA].contains(address) {
                let removed = self.vpc.remove_service_address(*address);
                note("resolver", &address.to_string(), removed);
            }
        }
        for name in gone(&old.vpcs, network.vpcs.iter().map(|v| &v.name)) {
            note("VPC", name, self.vpc.remove_vpc(name));
        }
        for vpc in network.vpcs.iter().filter(|v| old.vpcs.get(&v.name) != Some(v)) {
            note("VPC", &vpc.name, self.vpc.put_vpc(vpc.clone()));
        }
        for address in resolvers.difference(&old.service_addresses) {
            let added = self.vpc.add_service_address(*address);
            note("resolver", &address.to_string(), added);
        }
        for subnet in network.subnets.iter().filter(|s| old.subnets.get(&s.name) != Some(s)) {
            note("subnet", &subnet.name, self.vpc.put_subnet(subnet.clone()));
        }
        for group in network.security_groups.iter().filter(|g| old.groups.get(&g.name) != Some(g)) {
            note("security group", &group.name, self.vpc.put_group(group.clone()));
        }
        for interface in &network.interfaces {
            let addresses: Vec<Ipv4Addr> = interface.addresses.values().copied().collect();
            let groups = &interface.security_groups;
            let put = self.vpc.put_interface(&interface.name, &addresses, groups);
            note("load balancer", &interface.name, put);
        }
        for problem in &problems {
            tracing::error!("the network is not as wished: {problem}");
        }
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Gives a task its network interface. The error is a stopped reason.
    pub(crate) fn attach(&self, launch: &TaskLaunch) -> Result<(), String> {
        let eni = Eni {
            task: launch.task.to_string(),
            subnet: launch.subnet.clone(),
            address: launch.address,
            groups: launch.security_groups.clone(),
            public_ip: launch.public_ip,
        };
        self.vpc.attach(eni).map(|_| ()).map_err(|error| {
            let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
            let because = problem.as_ref().map(|problem| format!(" ({problem})"));
            format!(
                "ResourceInitializationError: unable to create the network interface: {}{}",
                chain(&error),
                because.unwrap_or_default()
            )
        })
    }

    /// Takes everything away that a task held, apart from its directory.
    pub(crate) fn release(&self, task: TaskId) {
        self.in_use().remove(&task);
        if let Err(error) = self.vpc.detach(&task.to_string()) {
            tracing::error!(%task, "could not remove a network interface: {}", chain(&error));
        }
        let removed = Hierarchies::read().and_then(|found| found.group(&self.group(task)).remove());
        if let Err(error) = removed {
            tracing::error!(%error, %task, "could not remove a task's control group");
        }
    }

    fn group(&self, task: TaskId) -> String {
        format!("{}/{task}", self.cgroup)
    }

    /// The image behind a reference, unpacked. The error is a stopped reason (ECS-STOP-8).
    pub(crate) fn pull(&self, task: TaskId, image: &str, origin: Origin) -> Result<Pulled, String> {
        let failed =
            |error: neargate_images::Error| format!("CannotPullContainerError: {}", error.chain());
        let reference: ImageReference = image.parse().map_err(|error| {
            format!("CannotPullContainerError: invalid reference format: {error}")
        })?;
        let fixed_arguments =
            matches!(&origin, Origin::Program(program) if program.fixed_arguments);
        match origin {
            Origin::Pushed => {}
            Origin::Program(program) => {
                let packed = BinaryImage {
                    program: program.path,
                    cmd: program.arguments,
                    ..BinaryImage::default()
                };
                let tag = reference.tag.as_deref().unwrap_or("latest");
                self.images.put_binary(&reference.repository, tag, &packed).map_err(failed)?;
            }
            Origin::File(path) => self.import(&reference, &path).map_err(failed)?,
        }
        let image = self.images.resolve(image).map_err(|error| error.to_string())?;
        let digest = image.digest.to_string();
        self.use_image(task, image.digest);
        let config = image.config;
        Ok(Pulled {
            entry_point: config.entrypoint,
            command: config.cmd,
            fixed_arguments,
            environment: config.env,
            user: Some(config.user).filter(|user| !user.is_empty()),
            working_directory: Some(config.working_dir).filter(|dir| !dir.is_empty()),
            stop_signal: config.stop_signal,
            layers: image.layers,
            digest: Some(digest),
        })
    }

    /// Keeps an image from being removed as long as the task is there.
    pub(crate) fn use_image(&self, task: TaskId, digest: Digest) {
        self.in_use().entry(task).or_default().insert(digest);
    }

    fn in_use(&self) -> MutexGuard<'_, BTreeMap<TaskId, BTreeSet<Digest>>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Frees what belongs to no image any more.
    pub(crate) fn collect_garbage(&self) {
        free_images(&self.images, &self.in_use().values().flatten().copied().collect());
    }

    /// Takes an image from files, unless they are the same as when it was last taken.
    fn import(
        &self,
        reference: &ImageReference,
        path: &Path,
    ) -> Result<(), neargate_images::Error> {
        let mut imported = self.imported.lock().unwrap_or_else(PoisonError::into_inner);
        let index = if path.is_dir() { path.join("index.json") } else { path.to_owned() };
        let stamp = fs::metadata(index).and_then(|m| Ok((m.modified()?, m.len()))).ok();
        let key = (reference.repository.clone(), reference.tag.clone());
        if stamp.is_some() && imported.get(&key) == stamp.as_ref() {
            return Ok(());
        }
        let options = ImportOptions {
            repository: reference.repository.clone(),
            tag: reference.tag.clone(),
            ..ImportOptions::default()
        };
        match path.is_dir() {
            true => self.images.import_layout(path, &options)?,
            false => self.images.import_archive(path, &options)?,
        };
        imported.extend(stamp.map(|stamp| (key, stamp)));
        Ok(())
    }

    /// Everything a container has beyond its command and environment.
    pub(crate) fn sandbox(
        &self,
        launch: &TaskLaunch,
        definition: &ContainerDefinition,
        image: &Pulled,
    ) -> Sandbox {
        let task = &launch.definition;
        let working_directory = definition.working_directory.as_ref();
        let working_directory = working_directory.or(image.working_directory.as_ref());
        Sandbox {
            backend: self.backend.clone(),
            image: image.digest.clone(),
            layers: image.layers.clone(),
            network: Some(self.vpc.task_namespace(&launch.task.to_string())),
            hostname: host_name(launch),
            cgroup: self.group(launch.task),
            task_limits: Limits {
                cpu_quota: Some(u64::from(task.cpu)),
                memory_mib: Some(u64::from(task.memory_mib)),
                ..Limits::default()
            },
            limits: Limits {
                cpu_share: (definition.cpu > 0).then_some(u64::from(definition.cpu)),
                memory_mib: definition.memory_mib.map(u64::from),
                pids: Some(PIDS),
                ..Limits::default()
            },
            user: definition.user.clone().or_else(|| image.user.clone()),
            working_directory: working_directory.map_or_else(|| "/".into(), PathBuf::from),
            readonly_root: definition.readonly_root,
            init_process: definition.init_process,
            add_capabilities: Vec::new(),
            drop_capabilities: Vec::new(),
            stop_signal: image.stop_signal.clone(),
            tmpfs: Vec::new(),
            shm_mib: None,
            binds: Vec::new(),
            // A file system of its own costs time; who asks for nothing gets the disk's.
            storage_mib: (task.ephemeral_storage_gib > UNSAID_STORAGE_GIB)
                .then(|| u64::from(task.ephemeral_storage_gib) << 10),
        }
    }

    /// The files by which a container knows its name and its neighbours.
    pub(crate) fn write_names(&self, launch: &TaskLaunch, dir: &ContainerDir) -> io::Result<()> {
        let host = host_name(launch);
        let file = |name: &str, text: String| fs::write(dir.path().join(name), text);
        file("hostname", format!("{host}\n"))?;
        file("hosts", format!("127.0.0.1 localhost\n{} {host}\n", launch.address))?;
        let search = search_domain(launch);
        file("resolv.conf", format!("search {search}\nnameserver {LINK_LOCAL_RESOLVER}\n"))
    }
}
