//! Whatever the bytes, a description is read or refused: no panic, no hang, no flood.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use neargate_system::{CommandOptions, load, load_text};
use proptest::prelude::*;

/// Far above what a description of this size takes, far below what a user would call hanging.
const PATIENCE: Duration = Duration::from_secs(30);

fn described(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systems").join(name);
    fs::read_to_string(folder.join("neargate.yaml")).expect("a system")
}

fn survives(text: &str) {
    let started = Instant::now();
    match load_text(Path::new("neargate.yaml"), text) {
        Ok(system) => {
            let all: Vec<&str> = system.environments.iter().map(|e| e.name.as_str()).collect();
            let options = CommandOptions { ephemeral_ports: true };
            let _ = system.commands(&all, &options);
        }
        Err(problems) => {
            assert!(!problems.problems().is_empty());
            for problem in problems.problems() {
                assert!(!problem.message.contains('\n'), "{problem:?}");
            }
            assert!(!problems.to_string().is_empty());
        }
    }
    assert!(started.elapsed() < PATIENCE, "took {:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("neargate.yaml"), &bytes).expect("written");
        let loaded = load(folder.path());
        prop_assert!(loaded.is_err());
    }

    #[test]
    fn arbitrary_yaml_like_text_is_refused(text in "[-a-z:{}\\[\\]*&!#|> \"'$\n0-9.,]{0,200}") {
        survives(&text);
    }

    /// Lines of a good description cut out, doubled, moved or indented anew.
    #[test]
    fn mangled_lines_never_panic(
        which in 0..4_usize,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..5_u8, any::<prop::sample::Index>()), 1..6),
    ) {
        let names = ["microservices", "backend-booking", "customer-order-portal", "broxiva"];
        let text = described(names[which]);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (at, kind, other) in edits {
            let at = at.index(lines.len());
            let other = other.index(lines.len());
            match kind {
                0 => { lines.remove(at); }
                1 => { let line = lines[at].clone(); lines.insert(other, line); }
                2 => lines.swap(at, other),
                3 => lines[at] = format!("  {}", lines[at]),
                _ => lines[at] = lines[at].trim_start_matches("  ").to_owned(),
            }
        }
        survives(&lines.join("\n"));
    }

    /// One value of a good description replaced by another kind of value.
    #[test]
    fn other_values_never_panic(
        which in 0..4_usize,
        line in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![
            "null", "", "~", "-1", "0", "1", "65536", "4294967296", "99999999999999999999999999",
            "1.5", "1e400", ".nan", "true", "yes", "''", "\"${\"", "\"${nope}\"", "[]", "{}",
            "[1, [2]]", "{ a: { b: c } }", "\"\\0\"", "'*'", "&x [*x]", "!!binary aGk=", "'/*'",
            "\"\u{1F600}\"", "10.0.0.0/33", "255.255.255.255/0",
        ]),
    ) {
        let names = ["microservices", "backend-booking", "customer-order-portal", "broxiva"];
        let text = described(names[which]);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let line = line.index(lines.len());
        if let Some((key, _)) = lines[line].split_once(": ") {
            lines[line] = format!("{key}: {value}");
        }
        survives(&lines.join("\n"));
    }
}

/// Descriptions made to be expensive.
#[test]
fn bombs_do_not_go_off() {
    let aliases = {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..30 {
            let list = vec![format!("*a{}", n - 1); 10].join(", ");
            text += &format!("a{n}: &a{n} [{list}]\n");
        }
        text
    };
    let merges = {
        let mut text = "m0: &m0 { a: 1 }\n".to_owned();
        for n in 1..500 {
            text += &format!("m{n}: &m{n} {{ <<: [*m{0}, *m{0}], k{n}: 1 }}\n", n - 1);
        }
        text
    };
    let good = described("broxiva");
    let many_variables: String =
        (0..1900).map(|n| format!("    V{n}: \"{}\"\n", "v".repeat(200))).collect();
    let many_services: String =
        (0..1900).map(|n| format!("  s{n}: {{ template: worker }}\n")).collect();
    let filled = format!("${{{}}}", "secret").repeat(9_000);
    for text in [
        aliases,
        merges,
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "a:\n".repeat(50_000),
        (0..5_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect(),
        "\u{0}".repeat(1000),
        "? ".repeat(50_000),
        "- ".repeat(50_000),
        "\"".repeat(1_000_000),
        format!("{}: 1", "k".repeat(1_000_000)),
        (0..100_000).map(|n| format!("k{n}: 1\n")).collect(),
        good.replacen("services:\n", &format!("services:\n{many_services}"), 1),
        good.replacen("services:\n", &format!("services:\n{many_services}"), 1).replacen(
            "    TZ: UTC\n",
            &format!("    TZ: UTC\n{many_variables}"),
            1,
        ),
        good.replacen("TZ: UTC", &format!("TZ: \"{filled}\""), 1),
        good.replacen(
            "environments:\n",
            &(0..1000)
                .fold("environments:\n".to_owned(), |text, n| text + &format!("  e{n}: {{}}\n")),
            1,
        ),
    ] {
        survives(&text);
    }
}
