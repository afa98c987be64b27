//! Builds the program that does the work, runs it under callgrind, and reads what that wrote.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::table::{Case, Table};
use crate::invocation::Cargo;
use crate::workspace::Workspace;

const BUILD: &str = "build --profile counts --package ws-gateway-instructions";
const PROGRAM: &str = "counts/instructions";
/// The function of the program whose instructions count, those that it calls included. Callgrind
/// writes a file after each call.
const FUNCTION: &str = "instructions::count_these_instructions";
/// Valgrind counts an instruction that copies a whole buffer once for each byte of it, which no processor
/// does; so the C library is told that there is none, and copies by vectors.
const TUNABLES: &str = "glibc.cpu.hwcaps=-ERMS";

/// Where callgrind writes.
pub(super) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("instructions")
}

/// The figures of this machine's compiler and this state of the code.
pub(super) fn count(workspace: &Workspace, valgrind: &Path) -> anyhow::Result<Table> {
    let build = Cargo::new(BUILD);
    println!("    {build}");
    anyhow::ensure!(build.run(&[])?, "{build} failed");
    let folder = folder(workspace);
    // What an earlier run left would be read as if it were of this one.
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => std::fs::create_dir_all(&folder)?,
    }
    let mut command = Command::new(valgrind);
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", folder.join("counts").display()))
        .arg(format!("--toggle-collect={FUNCTION}"))
        .arg(format!("--dump-after={FUNCTION}"))
        .arg(workspace.target.join(PROGRAM))
        // Nothing that tunes the allocator or the loader here and not elsewhere.
        .env_clear()
        .env("GLIBC_TUNABLES", TUNABLES)
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let output = command.output().with_context(|| format!("run {}", valgrind.display()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "the counting failed: {}", complaint.trim());
    let cases = String::from_utf8(output.stdout)?
        .lines()
        .zip(1..)
        .map(|(line, number)| {
            let dump = std::fs::read_to_string(folder.join(format!("counts.{number}")));
            let dump = dump.with_context(|| format!("callgrind has not seen `{FUNCTION}`"))?;
            case(line, &dump)
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(Table { conditions: conditions(valgrind)?, cases })
}

/// A line of the program's, `messages<TAB>name`, and what callgrind wrote of it.
fn case(line: &str, dump: &str) -> anyhow::Result<Case> {
    let (messages, name) = line.split_once('\t').context("no tab in a line of the program's")?;
    let messages: u64 = messages.parse()?;
    let total = dump.lines().find_map(|line| line.strip_prefix("summary: "));
    let total: u64 = total.context("no summary in what callgrind wrote")?.trim().parse()?;
    anyhow::ensure!(messages > 0 && total > 0, "nothing was counted for `{name}`");
    Ok(Case { name: name.to_owned(), instructions: (total + messages / 2) / messages })
}

/// What else the figures depend on: who compiled, the C library's copying and allocating, and the
/// processor, of which valgrind shows each program the same one as long as it has AVX2.
fn conditions(valgrind: &Path) -> anyhow::Result<String> {
    let first_line = |program: &Path, argument: &str| -> anyhow::Result<String> {
        let output = Command::new(program).arg(argument).output();
        let output = output.with_context(|| format!("run {}", program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    };
    let compiler = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let compiler = first_line(compiler.as_ref(), "--version")?;
    let compiler = compiler.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let library = first_line("getconf".as_ref(), "GNU_LIBC_VERSION")?;
    let valgrind = first_line(valgrind, "--version")?.replace("valgrind-", "valgrind ");
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has_avx2 = flags.split_whitespace().any(|flag| flag == "avx2");
    let processor = match std::env::consts::ARCH {
        "x86_64" if has_avx2 => "x86_64 with AVX2",
        other => other,
    };
    Ok(format!("{compiler}, {library}, {valgrind}, {processor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_what_was_counted_for_each_message() {
        let counted = case("200\tparse: a ping", "events: Ir\nsummary: 40199\n\n").unwrap();
        assert_eq!(counted, Case { name: "parse: a ping".to_owned(), instructions: 201 });
        for (line, dump) in
            [("200 ping", "summary: 1"), ("200\tping", ""), ("200\tping", "summary: 0")]
        {
            assert!(case(line, dump).is_err(), "{line}: {dump}");
        }
    }
}
