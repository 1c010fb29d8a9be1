//! An owner killed in the middle: what it left is found again whole, or taken away whole.
//!
//! This program is its own victim: started with `churn DIR` it attaches and detaches tasks as fast
//! as it can until it is killed. The moment differs from round to round, which is the point; no
//! result depends on hitting a particular one.

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use neargate_core::network::Internet;
use neargate_vpc::netns::NetNs;
use neargate_vpc::{Vpc, tear_down};
use support::{Network, anywhere, assert_nothing_left, eni, everything, group, tcp};
use tempfile::TempDir;

const ROUNDS: u64 = 24;
const WORKERS: u8 = 3;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[1..] {
        [word, dir] if word == "churn" => churn(Path::new(dir)),
        [word] if word == "probe" => probe(),
        [word] if word == "smoke" => smoke(),
        options => run(options),
    }
}

const TESTS: [(&str, fn()); 8] = [
    ("killed_anywhere_then_torn_down_leaves_nothing", torn_down),
    ("killed_anywhere_then_opened_goes_on", opened_again),
    ("opening_again_disturbs_nobody", undisturbed),
    ("half_made_things_are_completed_or_removed", half_made),
    ("a_machine_started_anew_begins_anew", rebooted),
    ("a_directory_that_is_none_of_ours_stays", foreign),
    ("descriptors_and_threads_do_not_pile_up", leaks),
    ("what_counts_is_what_one_can_do_not_who_one_is", privileges),
];

/// As much of the usual test program as cargo and people use: `--list`, and words to choose by.
#[allow(clippy::print_stdout, reason = "the report of a test program")]
fn run(options: &[String]) {
    let words: Vec<_> = options.iter().filter(|option| !option.starts_with('-')).collect();
    let is_chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(*word));
    for (name, test) in TESTS.into_iter().filter(|(name, _)| is_chosen(name)) {
        if options.iter().any(|option| option == "--list") {
            // Nothing is ever ignored here.
            if !options.iter().any(|option| option == "--ignored") {
                println!("{name}: test");
            }
            continue;
        }
        test();
        println!("test {name} ... ok");
    }
}

/// The victim. Says when it is at full speed.
#[allow(clippy::print_stdout, reason = "its only way to tell")]
fn churn(dir: &Path) {
    let vpc = Vpc::open(dir).expect("opened");
    wishes(&vpc);
    println!("ready");
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let vpc = &vpc;
            scope.spawn(move || {
                for n in (0..200u8).cycle() {
                    let id = format!("task-{worker}-{n}");
                    let address = [10, 0, 1 + worker % 2, 10 + (n % 50) + 60 * worker];
                    vpc.attach(eni(&id, address, &["open"])).expect("attached");
                    if n % 3 != 0 {
                        vpc.detach(&id).expect("detached");
                    }
                    if n % 50 == 49 {
                        // What stays for a while goes before its addresses come round again.
                        for old in (0..=n).filter(|old| old % 3 == 0) {
                            vpc.detach(&format!("task-{worker}-{old}")).expect("detached");
                        }
                    }
                }
            });
        }
    });
}

fn wishes(vpc: &Vpc) {
    vpc.put_vpc(support::vpc("production", [10, 0, 0, 0], 16)).expect("VPC");
    for (name, base) in
        [("private-a", [10, 0, 1, 0]), ("private-b", [10, 0, 2, 0]), ("public-a", [10, 0, 101, 0])]
    {
        let spec = support::subnet(name, "production", base, Internet::None);
        vpc.put_subnet(spec).expect("subnet");
    }
    let ingress = vec![tcp(1, 65535, support::members_of("open"))];
    vpc.put_group(group("open", ingress, everything())).expect("group");
    vpc.put_interface("alb", &[[10, 0, 101, 9].into()], &["open".into()]).expect("alb");
}

/// A churning owner, ended by its pid whatever happens.
struct Victim(Child);

impl Victim {
    fn start(dir: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg("churn").arg(dir).stdout(Stdio::piped()).stderr(Stdio::inherit());
        Self(command.spawn().expect("started"))
    }

    /// Waits for full speed.
    fn is_ready(&mut self) {
        let stdout = self.0.stdout.take().expect("piped");
        let line = BufReader::new(stdout).lines().next().expect("it says so").expect("text");
        assert_eq!(line, "ready");
    }

    fn kill(mut self) {
        self.0.kill().expect("it runs");
        let status = self.0.wait().expect("it ends");
        assert_eq!(status.signal(), Some(9), "it was alive until then: {status}");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            drop(self.0.wait());
        }
    }
}

/// Kills at another moment each round: while opening, while putting, at full speed.
fn killed(dir: &Path, round: u64) {
    let mut victim = Victim::start(dir);
    if round.is_multiple_of(4) {
        // The first few milliseconds make the network itself.
        thread::sleep(Duration::from_micros(700 * round));
    } else {
        victim.is_ready();
        thread::sleep(Duration::from_micros(2_317 * round));
    }
    victim.kill();
}

fn torn_down() {
    for round in 0..ROUNDS {
        let dir = TempDir::new().expect("a directory");
        let vpc = dir.path().join("vpc");
        killed(&vpc, round);
        let platform = NetNs::open(&vpc.join("net"));
        tear_down(&vpc).expect("torn down");
        assert_nothing_left(&vpc);
        if let Ok(platform) = platform {
            assert_eq!(links(&platform), 1, "round {round}: only the loopback is left");
        }
    }
}

fn links(net: &NetNs) -> usize {
    let output = net.run(|| Command::new("ip").args(["-br", "link"]).output());
    let output = output.expect("entered").expect("ip runs");
    String::from_utf8_lossy(&output.stdout).lines().count()
}

fn opened_again() {
    let mut network = Network::new();
    wishes(&network);
    for round in 0..ROUNDS {
        network.abandon();
        killed(&network.dir(), round);
        network.reopen();
        let attached = network.attached();
        let on_disk = std::fs::read_dir(network.dir().join("tasks")).expect("dir").count();
        assert_eq!(attached.len(), on_disk, "round {round}: every pin has its task");
        let platform = NetNs::open(&network.namespace()).expect("the platform's namespace");
        assert_eq!(links(&platform), 4 + attached.len(), "round {round}: every port has its task");
        wishes(&network);
        // One that was found and a new one reach each other.
        let newcomer = network.task("newcomer", [10, 0, 2, 250], &["open"]);
        let _server = newcomer.serve(80);
        for eni in attached.iter().take(3) {
            let found = network.task(&eni.task, eni.address.octets(), &["open"]);
            let _server = found.serve(81);
            found.reaches(&newcomer, 80);
            newcomer.reaches(&found, 81);
        }
        for eni in network.attached() {
            network.detach(&eni.task).expect("detached");
        }
        assert_eq!(links(&platform), 4, "round {round}: the loopback and three bridges");
    }
}

fn undisturbed() {
    let mut network = Network::with_vpc(Internet::None);
    network.put_group(group("friends", vec![], everything())).expect("group");
    let ingress = vec![tcp(80, 80, support::members_of("friends"))];
    network.put_group(group("server", ingress, everything())).expect("group");
    network.put_interface("alb", &[[10, 0, 101, 9].into()], &["friends".into()]).expect("alb");
    let server = network.task("server", [10, 0, 1, 4], &["server"]);
    let friend = network.task("friend", [10, 0, 2, 4], &["friends"]);
    let _server = server.serve(80);
    let mut stream = friend.dial((server.address, 80).into(), support::DEADLINE).expect("allowed");
    assert_eq!(support::greeting(&mut stream), "server");
    let before = (network.attached(), network.wish());
    for _ in 0..3 {
        network.reopen();
        assert_eq!((network.attached(), network.wish()), before);
        // Before anybody repeats their wishes, the rules are what they were.
        assert_eq!(support::echo(&mut stream, "still"), "still");
        friend.reaches(&server, 80);
        network.platform_at([10, 0, 101, 9]).reaches(&server, 80);
    }
}

fn half_made() {
    let mut network = Network::with_vpc(Internet::None);
    let ingress = vec![tcp(1, 65535, anywhere())];
    network.put_group(group("open", ingress, everything())).expect("group");
    let peer = network.task("peer", [10, 0, 2, 4], &["open"]);
    for id in ["no-pin", "no-record", "no-port", "down"] {
        let last = 10 + id.len() as u8;
        network.attach(eni(id, [10, 0, 1, last], &["open"])).expect("attached");
    }
    let dir = network.dir();
    network.abandon();
    // States a kill can leave, one by one.
    nix::mount::umount2(&dir.join("tasks/no-pin"), nix::mount::MntFlags::MNT_DETACH).expect("gone");
    std::fs::remove_file(dir.join("records/no-record.json")).expect("gone");
    let ip = |pin: &str, arguments: &[&str]| support::output_in(&dir.join(pin), "ip", arguments);
    ip("net", &["link", "del", "eni0a000111"]);
    ip("tasks/down", &["addr", "flush", "dev", "eth0"]);
    ip("tasks/down", &["link", "set", "eth0", "down"]);
    ip("net", &["link", "add", "subdeadbeef24", "type", "bridge"]);
    ip("net", &["link", "del", "sub0a00020024"]);
    std::fs::write(dir.join("tasks/never-mounted"), "").expect("written");
    std::fs::write(dir.join("records/cut.half"), "{").expect("written");
    std::fs::write(dir.join("wish.half"), "{").expect("written");
    network.reopen();
    let ids: Vec<_> = network.attached().into_iter().map(|eni| eni.task).collect();
    assert_eq!(ids, ["down", "no-port", "peer"]);
    for (id, last) in [("down", 14), ("no-port", 17)] {
        let task = network.task(id, [10, 0, 1, last], &["open"]);
        let _server = task.serve(80);
        peer.reaches(&task, 80);
    }
    let platform = NetNs::open(&network.namespace()).expect("the platform's namespace");
    assert_eq!(links(&platform), 1 + 4 + 3, "loopback, bridges, ports");
    let mut pins: Vec<_> = std::fs::read_dir(dir.join("tasks")).expect("dir").flatten().collect();
    pins.sort_by_key(std::fs::DirEntry::file_name);
    assert_eq!(pins.len(), 3);
}

fn foreign() {
    let dir = TempDir::new().expect("a directory");
    std::fs::write(dir.path().join("letters"), "mine").expect("written");
    tear_down(dir.path()).expect("nothing to do");
    tear_down(&dir.path().join("not-there")).expect("nothing to do");
    assert_eq!(std::fs::read(dir.path().join("letters")).expect("still there"), b"mine");
}

fn rebooted() {
    let mut network = Network::with_vpc(Internet::None);
    network.put_group(group("open", vec![tcp(1, 65535, anywhere())], everything())).expect("group");
    network.attach(eni("task", [10, 0, 1, 4], &["open"])).expect("attached");
    network.abandon();
    let dir = network.dir();
    for pin in ["net", "tasks/task"] {
        nix::mount::umount2(&dir.join(pin), nix::mount::MntFlags::MNT_DETACH).expect("gone");
    }
    // What was not written to the disk in time.
    std::fs::write(dir.join("records/task.json"), "").expect("cut");
    std::fs::write(dir.join("wish.json"), "{\"vpcs\"").expect("cut");
    network.reopen();
    assert_eq!(network.attached(), []);
    assert_eq!(network.wish(), neargate_vpc::Wish::default());
    wishes(&network);
    network.attach(eni("task", [10, 0, 1, 4], &["open"])).expect("attached");
}

fn leaks() {
    let count = |what: &str| std::fs::read_dir(what).expect(what).count();
    let (descriptors, threads) = (count("/proc/self/fd"), count("/proc/self/task"));
    let network = Network::with_vpc(Internet::None);
    network.put_group(group("open", vec![tcp(1, 65535, anywhere())], everything())).expect("group");
    let of_network = count("/proc/self/fd") - descriptors;
    for n in 0..50 {
        network.attach(eni("task", [10, 0, 1, 10 + n], &["open"])).expect("attached");
        network.detach("task").expect("detached");
    }
    assert_eq!(count("/proc/self/fd"), descriptors + of_network);
    assert_eq!(count("/proc/self/task"), threads);
    drop(network);
    assert_eq!(count("/proc/self/fd"), descriptors);
}

#[allow(clippy::print_stdout, reason = "its only way to tell")]
fn probe() {
    match Vpc::probe() {
        Ok(()) => println!("fine"),
        Err(missing) => println!("{missing}"),
    }
}

/// A small network, with whatever privileges there are.
#[allow(clippy::print_stdout, reason = "its only way to tell")]
fn smoke() {
    let network = Network::new();
    wishes(&network);
    let near = network.task("near", [10, 0, 1, 4], &["open"]);
    let far = network.task("far", [10, 0, 2, 4], &["open"]);
    let _server = far.serve(80);
    near.reaches(&far, 80);
    network.detach("near").expect("detached");
    drop(network);
    println!("fine");
}

fn privileges() {
    let this = std::env::current_exe().expect("this program");
    let said = |program: &str, arguments: &[&str], word: &str| {
        let mut command = Command::new(program);
        let output = command.args(arguments).arg(&this).arg(word).stderr(Stdio::inherit()).output();
        let output = output.unwrap_or_else(|error| panic!("{program} (util-linux): {error}"));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    // Still uid 0, but it may do nothing.
    let powerless = said("setpriv", &["--bounding-set", "-all"], "probe");
    assert_eq!(
        powerless,
        "namespaces cannot be made; that takes CAP_SYS_ADMIN, or a user namespace: \
         Operation not permitted (os error 1)"
    );
    let no_network_rights = said("setpriv", &["--bounding-set", "-net_admin"], "probe");
    assert!(no_network_rights.contains("CAP_NET_ADMIN"), "{no_network_rights}");
    // Nothing on the machine, everything inside a user namespace.
    let inside = ["--user", "--map-root-user", "--mount", "--net"];
    assert_eq!(said("unshare", &inside, "probe"), "fine");
    assert_eq!(said("unshare", &inside, "smoke"), "fine");
}
