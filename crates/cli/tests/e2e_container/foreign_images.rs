//! Images from elsewhere: from a layout on disk, pushed to the platform's registry, and what a
//! container of them finds around itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::busybox_image::write_layout;
use crate::platform::Platform;

/// One service behind a load balancer, with a secret and a log group.
fn description(image: &str) -> String {
    format!(
        r#"
name: foreign
region: us-east-1
images:
  shop/web: {{ {image} }}
cluster: foreign
network:
  name: foreign
  cidr: 10.77.0.0/16
  subnets:
    a: {{ zone: us-east-1a, cidr: 10.77.1.0/24 }}
    b: {{ zone: us-east-1b, cidr: 10.77.2.0/24 }}
loadBalancers:
  main:
    name: foreign-alb
    subnets: [a, b]
    listeners:
      http: {{ port: 80, defaultAction: {{ fixedResponse: {{ statusCode: 404 }} }} }}
services:
  web:
    name: web
    image: shop/web:v1
    cpu: 256
    memory: 512
    port: 8080
    desiredCount: 1
    subnets: [a, b]
    executionRoleArn: arn:aws:iam::000000000000:role/execution
    taskRoleArn: arn:aws:iam::000000000000:role/task
    environment: {{ PLAIN: plain }}
    secrets:
      TOKEN: "arn:aws:secretsmanager:us-east-1:000000000000:secret:web-config:token::"
      URL: /web/url
    logs: {{ group: /ecs/web, retention: 7 }}
    rules:
      - {{ priority: 10, pathPattern: "/*" }}
    targetGroup:
      deregistrationDelay: 5
      healthCheck: {{ path: /index.html, interval: 5, timeout: 2, healthyThreshold: 2 }}
"#
    )
}

fn get(url: &str, path: &str) -> String {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).expect("the load balancer listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

/// A command in the service's container.
fn exec(platform: &Platform, command: &[&str]) -> Output {
    let mut neargate = Command::new(env!("CARGO_BIN_EXE_neargate"));
    neargate.arg("exec").arg("web").arg("--home").arg(platform.home()).arg("--").args(command);
    neargate.output().expect("the binary runs")
}

/// Every file below the home that holds the text.
fn files_with(home: &Path, text: &str) -> Vec<String> {
    let found = Command::new("grep").args(["-rlF", "--", text]).arg(home).output();
    let found = String::from_utf8(found.expect("grep runs").stdout).expect("UTF-8");
    found.lines().map(str::to_owned).collect()
}

fn put_secret(platform: &Platform, arguments: &[&str], value: &str) {
    let mut command = platform.command(&[&["secret", "put"], arguments].concat());
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary runs");
    child.stdin.take().expect("a pipe").write_all(value.as_bytes()).expect("written");
    assert!(child.wait().expect("ended").success());
}

/// ECS-TD-19, ECS-META-1, SM-35, BX-26: what a container of a foreign image sees, and what nobody
/// sees.
#[test]
fn a_foreign_image_runs_as_it_asks_to() {
    let folder = tempfile::tempdir().expect("a folder");
    write_layout(&folder.path().join("layout"), "hello from busybox");
    let file = folder.path().join("neargate.yaml");
    std::fs::write(&file, description("file: ./layout")).expect("written");
    let mut platform = Platform::new();
    platform.serve();
    put_secret(&platform, &["web-config"], r#"{"token": "swordfish-4711"}"#);
    put_secret(&platform, &["--parameter", "/web/url"], "https://swordfish.example\n");
    let path = file.to_str().expect("UTF-8");
    platform.ok(&["up", path, "--detach", "--ephemeral-ports"]);

    let url = platform.url("web");
    assert!(get(&url, "/index.html").ends_with("hello from busybox"));
    let exec = |command: &[&str]| {
        let output = exec(&platform, &[&["/bin/busybox"], command].concat());
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
    };
    for (variable, value) in [
        ("GREETING", "from the image"),
        ("PLAIN", "plain"),
        ("TOKEN", "swordfish-4711"),
        ("URL", "https://swordfish.example"),
        ("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE"),
    ] {
        assert_eq!(exec(&["sh", "-c", &format!("echo \"${variable}\"")]), value, "{variable}");
    }
    assert_eq!(exec(&["id", "-un"]), "web");
    assert_eq!(exec(&["pwd"]), "/tmp");
    let uri = exec(&["sh", "-c", "echo $ECS_CONTAINER_METADATA_URI_V4"]);
    assert!(uri.starts_with("http://169.254.170.2/v4/"), "{uri}");
    let task = exec(&["sh", "-c", "busybox wget -qO- $ECS_CONTAINER_METADATA_URI_V4/task"]);
    let task: serde_json::Value = serde_json::from_str(&task).expect("JSON");
    assert_eq!(task["Family"], "web");
    let role = "busybox wget -qO- http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    assert!(exec(&["sh", "-c", role]).contains("arn:aws:iam::000000000000:role/task"));
    // The resolver is at the VPC's base + 2 as well: it knows of no such name, but it answers.
    for resolver in ["169.254.169.253", "10.77.0.2"] {
        let ask = ["/bin/busybox", "nslookup", "nobody.invalid", resolver];
        let asked = crate::foreign_images::exec(&platform, &ask);
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        assert!(said.contains("can't find nobody.invalid"), "{resolver}: {asked:?}");
    }
    let exit = crate::foreign_images::exec(&platform, &["/bin/sh", "-c", "exit 7"]);
    assert_eq!(exit.status.code(), Some(7));

    // The access log of httpd is in the group, the secrets are nowhere.
    platform.until("a log line", |_| {
        platform.ok(&["logs", "web"]).contains("response:200") || {
            get(&url, "/index.html");
            false
        }
    });
    let shown = [&["ps", "--json"][..], &["logs", "web"], &["events", "web"], &["status"]];
    let shown: String = shown.iter().map(|command| platform.ok(command)).collect();
    assert!(!shown.contains("swordfish"), "{shown}");
    assert_eq!(files_with(platform.home(), "swordfish"), [""; 0]);
}

/// A secret that is missing, or has no such key, stops the task in ECS's words (ECS-STOP-8).
#[test]
fn ecs_stop_8_a_missing_json_key_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    write_layout(&folder.path().join("layout"), "hello");
    let file = folder.path().join("neargate.yaml");
    std::fs::write(&file, description("file: ./layout")).expect("written");
    let mut platform = Platform::new();
    platform.serve();
    put_secret(&platform, &["web-config"], r#"{"other": "x"}"#);
    let path = file.to_str().expect("UTF-8");
    let output = platform.run(&["up", path, "--detach", "--ephemeral-ports", "--timeout", "5"]);
    assert_eq!(output.status.code(), Some(1));
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = "ResourceInitializationError: unable to pull secrets or registry auth: execution \
                    resource retrieval failed: unable to retrieve secret from asm: retrieved secret \
                    from Secrets Manager did not contain json key token";
    let reasons = platform.view().to_string();
    assert!(reasons.contains(expected), "{reasons}\n{why}");
}

/// An image that skopeo has pushed to the platform's registry.
#[test]
fn a_pushed_image_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let layout = folder.path().join("layout");
    write_layout(&layout, "hello from the registry");
    let file = folder.path().join("neargate.yaml");
    std::fs::write(&file, description("registry: true")).expect("written");
    let mut platform = Platform::new();
    platform.serve();
    let status = platform.status();
    let endpoint = status["engine"]["endpoint"].as_str().expect("an endpoint");
    let registry = endpoint.trim_start_matches("http://");
    let push = Command::new("skopeo")
        .args(["copy", "--quiet", "--dest-tls-verify=false"])
        .arg(format!("oci:{}:v1", layout.display()))
        .arg(format!("docker://{registry}/shop/web:v1"))
        .output()
        .expect("this test needs skopeo: apt-get install skopeo");
    assert!(push.status.success(), "{}", String::from_utf8_lossy(&push.stderr));
    platform.ok(&["up", file.to_str().expect("UTF-8"), "--detach", "--ephemeral-ports"]);
    assert!(get(&platform.url("web"), "/index.html").ends_with("hello from the registry"));
}
