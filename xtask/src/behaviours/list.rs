//! The list of promises: `# Heading` lines, and a sentence a line.

use super::Side;

/// One promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Behaviour {
    /// Where it stands in the list.
    pub(super) line: usize,
    pub(super) group: String,
    pub(super) sentence: String,
    /// The only client that it means, and why.
    only: Option<(Side, String)>,
}

/// Reads the list; a fault begins with its line.
pub(super) fn parse(text: &str) -> Result<Vec<Behaviour>, String> {
    let mut behaviours: Vec<Behaviour> = Vec::new();
    let mut group = None;
    for (line, written) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(heading) = written.strip_prefix("# ") {
            group = Some(heading.to_owned());
        } else if !written.is_empty() {
            let (sentence, only) = match written.split_once(" | ") {
                None => (written, None),
                Some((sentence, note)) => (sentence, Some(exception(line, note)?)),
            };
            let group = group.clone().ok_or_else(|| format!("{line}: no heading above it"))?;
            let behaviour = Behaviour { line, group, sentence: sentence.to_owned(), only };
            let name = behaviour.name(Side::Rust);
            if let Some(same) = behaviours.iter().find(|it| it.name(Side::Rust) == name) {
                return Err(format!("{line}: it is on line {} as well", same.line));
            }
            behaviours.push(behaviour);
        }
    }
    Ok(behaviours)
}

fn exception(line: usize, note: &str) -> Result<(Side, String), String> {
    let sides = [("rust only: ", Side::Rust), ("js only: ", Side::JavaScript)];
    let read = sides.iter().find_map(|(words, side)| Some((*side, note.strip_prefix(words)?)));
    match read {
        Some((side, why)) if !why.is_empty() => Ok((side, why.to_owned())),
        _ => Err(format!("{line}: `{note}` is neither `rust only: why` nor `js only: why`")),
    }
}

impl Behaviour {
    /// Why this client has no test of it.
    pub(super) fn reason_against(&self, side: Side) -> Option<&str> {
        self.only.as_ref().filter(|(only, _)| *only != side).map(|(_, why)| why.as_str())
    }

    /// What a test is called that shows it.
    pub(super) fn name(&self, side: Side) -> String {
        match side {
            Side::Rust => snake_case(&self.sentence),
            Side::JavaScript => format!("\"{}\"", self.sentence),
        }
    }
}

/// Letters and digits; one `_` for all that is between them, none for an apostrophe.
pub(super) fn snake_case(sentence: &str) -> String {
    let without_apostrophes = sentence.to_lowercase().replace(['\'', '’'], "");
    let words = without_apostrophes.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}
