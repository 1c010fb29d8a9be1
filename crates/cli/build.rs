//! Makes a table of the Terraform modules, so that `neargate terraform` can write them beside a root.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let modules = here.join("../../terraform/modules").canonicalize()?;
    println!("cargo::rerun-if-changed={}", modules.display());
    let mut files = Vec::new();
    for module in fs::read_dir(&modules)? {
        let module = module?.path();
        for file in fs::read_dir(&module)? {
            let file = file?.path();
            if file.extension().is_some_and(|end| end == "tf" || end == "md") {
                files.push(file);
            }
        }
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&modules).unwrap_or(Path::new("")).to_string_lossy();
        let _ = writeln!(table, "    ({name:?}, include_str!({:?})),", file.to_string_lossy());
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("terraform_modules.rs"), table)
}
