//! What the tests of the built binary share: children that end with the test, a plain HTTP
//! client, waiting with a deadline.

#![allow(dead_code, reason = "each test program uses another part")]

pub(crate) mod fake_engine;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing a test waits for takes this long, even on a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The binary under test.
pub(crate) fn neargate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neargate"));
    command.env_remove("NEARGATE_HOME").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// A child process that is killed when the test ends.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    /// Starts `neargate <arguments>` with its standard output read here.
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = neargate();
        command.args(arguments).envs(variables.iter().copied());
        Running::spawn(&mut command)
    }

    pub(crate) fn spawn(command: &mut Command) -> Running {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("spawn");
        let lines = BufReader::new(child.stdout.take().expect("stdout"));
        Running { child, lines }
    }

    /// The next line of standard output, without its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("read a line");
        line.trim_end_matches('\n').to_owned()
    }

    /// The next line of standard output, as JSON.
    pub(crate) fn event(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}`: {error}"))
    }

    /// Reads lines until one with that `event`.
    pub(crate) fn wait_for(&mut self, event: &str) -> Value {
        loop {
            let value = self.event();
            if value["event"] == event {
                return value;
            }
        }
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, signal).expect("kill");
    }

    /// Waits for the end, with a deadline.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_until("the process ends", || self.child.try_wait().expect("wait"))
    }

    pub(crate) fn stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).expect("stderr");
        }
        text
    }

    pub(crate) fn rest_of_stdout(&mut self) -> String {
        let mut text = String::new();
        self.lines.read_to_string(&mut text).expect("stdout");
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until there is a value.
pub(crate) fn wait_until<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A connection on which requests are sent.
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("`{}`: {e}", self.body))
    }
}

impl Http {
    pub(crate) fn connect(address: SocketAddr) -> Http {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(DEADLINE)).expect("timeout");
        Http { stream: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, target: &str) {
        let request = format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).expect("send");
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("send");
    }

    pub(crate) fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("read");
        bytes
    }

    pub(crate) fn head(&mut self) -> String {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line).expect("read the head");
            assert!(read > 0, "the connection ended in the head: `{head}`");
            if line == "\r\n" {
                return head.to_ascii_lowercase();
            }
            head.push_str(&line);
        }
    }

    pub(crate) fn receive(&mut self) -> Answer {
        let head = self.head();
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("status");
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(0);
        let body = String::from_utf8(self.read_exactly(length)).expect("text");
        Answer { status, head, body }
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.send(target);
        self.receive()
    }

    /// Whether the other side closes without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0]), Ok(0))
    }

    /// Everything until the other side closes.
    pub(crate) fn read_to_end(&mut self) -> String {
        let mut text = String::new();
        self.stream.read_to_string(&mut text).expect("read");
        text
    }
}
