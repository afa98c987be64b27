//! The files of the page, as they are in the binary.

/// One of them.
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(File { name: $name, text: include_str!(concat!("page/", $name)) }),*]
    };
}

/// All that are served, the page itself first.
pub(super) const FILES: &[File] = files![
    "index.html",
    "style.css",
    "main.js",
    "catalogue.js",
    "dialogs.js",
    "elements.js",
    "ends.js",
    "figures.js",
    "frames.js",
    "history.js",
    "inspector.js",
    "link.js",
    "pane.js",
    "playground.js",
    "plots.js",
    "snippets.js",
    "tables.js",
    "token.js",
];

impl File {
    /// What it is, by the end of its name.
    pub(super) fn content_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_file_of_the_folder_is_served_and_has_a_type() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/console/page");
        let there: BTreeSet<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let served: BTreeSet<_> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(served, there);
        assert_eq!(FILES[0].name, "index.html");
        for file in FILES {
            assert_ne!(file.content_type(), "application/octet-stream", "{}", file.name);
        }
    }

    #[test]
    fn the_page_needs_no_file_that_is_not_served() {
        let named = |text: &str, opening: &str| -> Vec<String> {
            let parts = text.split(opening).skip(1);
            parts.filter_map(|part| Some(part.split_once('"')?.0.to_owned())).collect()
        };
        for file in FILES {
            let linked = named(file.text, "\"/console/").into_iter();
            let imported = named(file.text, "from \"./").into_iter();
            // The snippets that are shown name files of others.
            let ours = |name: &String| name.ends_with(".js") || name.ends_with(".css");
            for name in linked.chain(imported).filter(ours) {
                let is_served = FILES.iter().any(|file| file.name == name);
                assert!(is_served, "{} wants {name}", file.name);
            }
        }
    }
}
