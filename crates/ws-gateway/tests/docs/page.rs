//! The parts of a page that a test compares: fenced blocks, rows of tables, code spans.

pub(crate) const README: &str = include_str!("../../../../README.md");
pub(crate) const ARCHITECTURE: &str = include_str!("../../../../docs/architecture.md");
pub(crate) const BACK_ENDS: &str = include_str!("../../../../docs/back-ends.md");
pub(crate) const CONFIGURATION: &str = include_str!("../../../../docs/configuration.md");
pub(crate) const GUARANTEES: &str = include_str!("../../../../docs/guarantees.md");
pub(crate) const PROTOCOL: &str = include_str!("../../../../docs/protocol.md");
pub(crate) const TROUBLESHOOTING: &str = include_str!("../../../../docs/troubleshooting.md");

/// The pages whose transcripts are replayed.
pub(crate) const TRANSCRIBED: &[(&str, &str)] = &[("docs/protocol.md", PROTOCOL)];

/// The fenced blocks of one language, each with the number of its first line.
pub(crate) fn blocks<'p>(page: &'p str, language: &str) -> Vec<(usize, Vec<&'p str>)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let mut first = None;
        let mut block = Vec::new();
        for (number, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
            first.get_or_insert(number + 1);
            block.push(line);
        }
        if info == language {
            blocks.push((first.unwrap_or_default(), block));
        }
    }
    blocks
}

/// The rows of the table under a heading, without its head; cells without the backticks around them.
pub(crate) fn table<'p>(page: &'p str, heading: &str) -> Vec<Vec<&'p str>> {
    let lines = page.lines().skip_while(|line| *line != heading);
    let rows =
        lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &'p str| {
        row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
    };
    let rows: Vec<Vec<_>> = rows.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "there is no table under {heading}");
    rows
}

/// Everything that stands between single backticks.
pub(crate) fn code_spans(page: &str) -> impl Iterator<Item = &str> {
    let lines = page.lines().filter(|line| !line.starts_with("```"));
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}
