//! A link within the repository leads to a file that is there, and to a heading that is in it.

use super::tree::{File, Tree};
use super::{Finding, House};

pub(super) fn links_resolve(house: &House) -> Vec<Finding> {
    let pages = house.tree.files.iter().filter(|file| file.path.ends_with(".md"));
    pages.flat_map(|page| broken_links(&house.tree, page)).collect()
}

fn broken_links(tree: &Tree, page: &File) -> Vec<Finding> {
    let broken = links(&page.text).into_iter().filter_map(|(line, link)| {
        let message = complaint(tree, page, &link)?;
        Some(Finding::new(&page.path, line, message))
    });
    broken.collect()
}

fn complaint(tree: &Tree, page: &File, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = match target {
        "" => page.path.clone(),
        _ => match resolve(&page.path, target) {
            Some(path) if tree.contains(&path) => path,
            _ => return Some(format!("`{link}` leads to no file of the repository")),
        },
    };
    if anchor.is_empty() {
        return None;
    }
    let Some(file) = tree.file(&path).filter(|file| file.path.ends_with(".md")) else {
        return Some(format!("`{link}` has an anchor, but {path} is no page"));
    };
    let anchors = anchors(&file.text);
    (!anchors.iter().any(|known| known == anchor))
        .then(|| format!("`{link}` leads to no heading; {path} has {}", anchors.join(", ")))
}

/// The path that `target` means on a page, relative to the root; `None` when it leaves the tree.
fn resolve(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Line and target of each link, of either form: `[…](target)` and `[…]: target`.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code_spans(line);
        for (start, opening) in line.match_indices("](") {
            let inside = &line[start + opening.len()..];
            links.push((number, target_of(&inside[..closing_parenthesis(inside)])));
        }
        let definition =
            line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = definition.filter(|(label, _)| !label.starts_with('^')) {
            links.push((number, target_of(target)));
        }
    }
    links
}

/// The lines outside of fenced code, numbered from one.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let start = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, mark) {
            (None, None) => return Some((index + 1, line)),
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
        }
        None
    })
}

/// The line with what stands between backticks left out.
fn without_code_spans(line: &str) -> String {
    // A backtick without a partner is a character like any other.
    if line.matches('`').count() % 2 == 1 {
        return line.to_owned();
    }
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

fn closing_parenthesis(text: &str) -> usize {
    let mut depth = 0_usize;
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 0 => return index,
            ')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// What is left without a title and without angle brackets.
fn target_of(inside: &str) -> String {
    let target = inside.split_whitespace().next().unwrap_or_default();
    target.trim_start_matches('<').trim_end_matches('>').to_owned()
}

/// The anchors of a page's headings, as GitHub derives them, and those set by hand.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        if let Some(heading) = heading(line) {
            let slug = slug(heading);
            let numbered = |n: usize| if n == 0 { slug.clone() } else { format!("{slug}-{n}") };
            let unused = (0..).map(numbered).find(|anchor| !anchors.contains(anchor));
            anchors.extend(unused);
        }
        for mark in ["<a id=\"", "<a name=\""] {
            let by_hand = line.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
            anchors.extend(by_hand.map(str::to_owned));
        }
    }
    anchors
}

fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    (1..=6).contains(&level).then(|| rest.strip_prefix(' ')).flatten().map(str::trim)
}

fn slug(heading: &str) -> String {
    let mut text = String::new();
    // Of a link only its text counts.
    let mut rest = heading;
    while let Some((before, after)) = rest.split_once("](") {
        text.push_str(before);
        rest = &after[(closing_parenthesis(after) + 1).min(after.len())..];
    }
    text.push_str(rest);
    let kept = text.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let guide = "# Guide\n## `PING` & pong\n## Twice\n## Twice\n<a id=\"by-hand\"></a>\n";
        for (text, found) in [
            ("[guide](docs/guide.md)", 0),
            ("[guide](./docs/guide.md#twice-1 \"a title\")", 0),
            ("[guide](docs/guide.md#ping--pong)", 0),
            ("[guide](docs/guide.md#by-hand)", 0),
            ("[docs](docs) and [docs](docs/)", 0),
            ("# Top\n[up](#top)", 0),
            ("[site](https://example.com/x#y) [post](mailto:a@b.c)", 0),
            ("`[no](link.md)`\n```\n[no](link.md)\n```\n", 0),
            ("[ref]\n\n[ref]: docs/guide.md", 0),
            ("[gone](docs/gone.md)", 1),
            ("![picture](docs/gone.svg)", 1),
            ("[guide](docs/guide.md#thrice)", 1),
            ("[up](#bottom)", 1),
            ("[out](../elsewhere.md)", 1),
            ("[ref]: docs/gone.md", 1),
            ("[a](docs/gone.md) and [b](docs/gone.md)", 2),
            ("```\n```\n[gone](docs/gone.md)", 1),
        ] {
            let tree = Tree::with(&[("README.md", text), ("docs/guide.md", guide)]);
            let findings = links_resolve(&House { tree, ..House::default() });
            assert_eq!(findings.len(), found, "{text}: {findings:?}");
        }
    }

    #[test]
    fn a_page_in_a_folder_links_from_where_it_is() {
        for (page, target, path) in [
            ("docs/guide.md", "protocol.md", Some("docs/protocol.md")),
            ("docs/guide.md", "../README.md", Some("README.md")),
            ("crates/door/README.md", "../bell/", Some("crates/bell")),
            ("docs/guide.md", "/LICENSE-MIT", Some("LICENSE-MIT")),
            ("README.md", "../outside.md", None),
        ] {
            assert_eq!(resolve(page, target).as_deref(), path, "{page} -> {target}");
        }
    }

    #[test]
    fn headings_become_anchors_as_on_github() {
        for (line, anchor) in [
            ("# Ports and paths", Some("ports-and-paths")),
            ("### `request` → `response`", Some("request--response")),
            ("## [Door](crates/door): it opens", Some("door-it-opens")),
            ("## snake_case, kebab-case", Some("snake_case-kebab-case")),
            ("#no-heading", None),
            ("plain", None),
        ] {
            assert_eq!(heading(line).map(slug).as_deref(), anchor, "{line}");
        }
    }
}
