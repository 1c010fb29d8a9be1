//! The README's example is a description that loads.

use neargate_system::load_text;

#[test]
fn the_readmes_example_loads() {
    let readme = include_str!("../../../README.md");
    let example = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = example.expect("the README has an example");
    // The program of the example belongs to its reader.
    let runnable = example.replace("{ binary: ./target/release/web }", "{ standIn: true }");
    assert_ne!(runnable, example);
    let system =
        load_text("README.md".as_ref(), &runnable).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(system.commands(&["dev"], &Default::default()).len(), 12);
}
