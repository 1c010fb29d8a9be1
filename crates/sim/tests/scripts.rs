//! One harness for every script in `tests/scripts`: its commands must give its transcript.
//! `UPDATE_EXPECT=1` writes the transcripts anew; read the difference before you keep it.

use std::fmt::Write as _;
use std::path::Path;

#[test]
fn scripts_give_their_transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of scripts is readable")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 35, "only {} scripts found in {}", paths.len(), folder.display());
    let mut wrong = String::new();
    for path in &paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(path).expect("a script is readable");
        assert!(text.starts_with("# "), "{name}: the head says which facts it pins");
        match neargate_sim::script::run(&text) {
            Err(error) => {
                let _ = writeln!(wrong, "{name}: {error}");
            }
            Ok(now) if now == text => {}
            Ok(now) if update => std::fs::write(path, now).expect("a script is writable"),
            Ok(now) => {
                let first = text.lines().zip(now.lines()).position(|(a, b)| a != b);
                let line = first.unwrap_or_else(|| text.lines().count().min(now.lines().count()));
                let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
                let _ = writeln!(
                    wrong,
                    "{name}:{}\n  expected {}\n  got      {}",
                    line + 1,
                    at(&text),
                    at(&now)
                );
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE_EXPECT=1 rewrites the transcripts\n{wrong}");
}
