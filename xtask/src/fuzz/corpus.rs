//! Inputs: a file each for libFuzzer, a line each for the repository.

use std::path::Path;

use anyhow::Context;

/// Makes files of the lines, in a folder with nothing else. What is not there is an empty corpus.
pub(super) fn unpack(kept: &Path, folder: &Path) -> anyhow::Result<()> {
    empty(folder)?;
    let text = std::fs::read_to_string(kept).unwrap_or_default();
    for (number, line) in text.lines().enumerate() {
        let input = bytes(line).with_context(|| format!("{}:{}", kept.display(), number + 1))?;
        std::fs::write(folder.join(number.to_string()), input)?;
    }
    Ok(())
}

/// Makes lines of the files, in an order that does not depend on when they were found. Answers how many.
pub(super) fn pack(folder: &Path, kept: &Path) -> anyhow::Result<usize> {
    let mut lines = Vec::new();
    for file in std::fs::read_dir(folder)?.flatten() {
        lines.push(digits(&std::fs::read(file.path())?));
    }
    lines.sort_unstable_by_key(|line| (line.len(), line.clone()));
    let parent = kept.parent().context("it lies in a folder")?;
    std::fs::create_dir_all(parent)?;
    std::fs::write(kept, lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
    Ok(lines.len())
}

/// An empty folder.
pub(super) fn empty(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => std::fs::create_dir_all(folder)?,
    }
    Ok(())
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(line: &str) -> Option<Vec<u8>> {
    let pairs = line.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_come_out_as_they_went_in() {
        let folder = std::env::temp_dir().join(format!("xtask-corpus-{}", std::process::id()));
        let (files, kept) = (folder.join("files"), folder.join("kept.txt"));
        empty(&files).unwrap();
        for (name, input) in [("a", &b"\x00\xff"[..]), ("b", b""), ("c", b"GET /")] {
            std::fs::write(files.join(name), input).unwrap();
        }
        assert_eq!(pack(&files, &kept).unwrap(), 3);
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "\n00ff\n474554202f\n");
        unpack(&kept, &files).unwrap();
        assert_eq!(std::fs::read(files.join("2")).unwrap(), b"GET /");
        assert_eq!(std::fs::read(files.join("0")).unwrap(), b"");
        assert!(bytes("0g").is_none());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
