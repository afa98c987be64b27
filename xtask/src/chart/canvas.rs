//! A picture as it is drawn: shapes and words, escaped, on a background that it does not know.

use std::fmt::Write;

/// Series are told apart by colours that differ in lightness too, and that both backgrounds bear.
const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#24292f}\
.title{font-size:14px;font-weight:600}\
.faint{fill:#656d76}\
.axis{stroke:#656d76;stroke-width:1}\
.grid{stroke:#d0d7de;stroke-width:1}\
.range{stroke:#24292f;stroke-width:1.5}\
.less{fill:#2da44e}\
.more{fill:#bc4c00}\
.s0{stroke:#0969da;fill:#0969da}\
.s1{stroke:#bc4c00;fill:#bc4c00}\
.s2{stroke:#1a7f37;fill:#1a7f37}\
.s3{stroke:#8250df;fill:#8250df}\
polyline.s0,polyline.s1,polyline.s2,polyline.s3{fill:none;stroke-width:2}\
@media (prefers-color-scheme:dark){\
text{fill:#e6edf3}\
.faint{fill:#8d96a0}\
.axis{stroke:#8d96a0}\
.grid{stroke:#30363d}\
.range{stroke:#e6edf3}\
.less{fill:#3fb950}\
.more{fill:#db6d28}\
.s0{stroke:#58a6ff;fill:#58a6ff}\
.s1{stroke:#db6d28;fill:#db6d28}\
.s2{stroke:#3fb950;fill:#3fb950}\
.s3{stroke:#bc8cff;fill:#bc8cff}\
polyline{fill:none}\
}";

/// Where a word stands by its point.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Shapes, collected into a document by [`Canvas::finish`].
#[derive(Debug, Default)]
pub(crate) struct Canvas(String);

impl Canvas {
    pub(crate) fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        self.add(format_args!(
            r#"<text x="{:.1}" y="{:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#,
            at.0, at.1
        ));
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        self.add(format_args!(
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" class="{class}"/>"#,
            from.0, from.1, to.0, to.1
        ));
    }

    /// A rectangle between two corners, whichever way they lie.
    pub(crate) fn rectangle(&mut self, a: (f64, f64), b: (f64, f64), class: &str) {
        self.add(format_args!(
            r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" rx="2" class="{class}"/>"#,
            a.0.min(b.0),
            a.1.min(b.1),
            (a.0 - b.0).abs(),
            (a.1 - b.1).abs()
        ));
    }

    pub(crate) fn dot(&mut self, at: (f64, f64), class: &str) {
        self.add(format_args!(
            r#"<circle cx="{:.1}" cy="{:.1}" r="3" class="{class}"/>"#,
            at.0, at.1
        ));
    }

    pub(crate) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.add(format_args!(r#"<polyline points="{}" class="{class}"/>"#, points.join(" ")));
    }

    /// The document; `about` is what a screen reader says.
    pub(crate) fn finish(self, width: f64, height: f64, about: &str) -> String {
        let about = escaped(about);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
             height=\"{height:.0}\" role=\"img\">\n<title>{about}</title>\n<style>{STYLE}</style>\n{}</svg>\n",
            self.0
        )
    }

    fn add(&mut self, shape: std::fmt::Arguments<'_>) {
        // Writing into a `String` does not fail.
        let _ = writeln!(self.0, "{shape}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Whether each element is closed by its own name and nothing stands outside: what a browser wants of
/// a picture before it shows anything.
#[cfg(test)]
pub(crate) fn is_well_formed(svg: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg.trim();
    let mut elements = 0;
    while let Some(start) = rest.find('<') {
        let (text, tag) = rest.split_at(start);
        if text.contains('>') || (open.is_empty() && !text.trim().is_empty()) {
            return false;
        }
        let entities = ["amp;", "lt;", "gt;", "quot;"];
        if text.split('&').skip(1).any(|rest| !entities.iter().any(|name| rest.starts_with(name))) {
            return false;
        }
        let Some(end) = tag.find('>') else { return false };
        let inside = &tag[1..end];
        if inside.matches('"').count() % 2 == 1 || inside.contains('<') {
            return false;
        }
        match (inside.strip_prefix('/'), inside.strip_suffix('/')) {
            (Some(name), _) => {
                if open.pop() != Some(name) {
                    return false;
                }
            }
            (None, Some(_)) => {}
            (None, None) => open.push(inside.split_whitespace().next().unwrap_or_default()),
        }
        elements += 1;
        rest = &tag[end + 1..];
    }
    open.is_empty() && rest.trim().is_empty() && elements > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_a_well_formed_picture_whatever_its_words() {
        let mut canvas = Canvas::default();
        canvas.text((1.0, 2.0), Anchor::Middle, "title", "a < b & \"c\" > d");
        canvas.line((0.0, 0.0), (1.0, 1.0), "axis");
        canvas.rectangle((3.0, 3.0), (1.0, 1.0), "less");
        canvas.path(&[(0.0, 0.0), (1.0, 2.0)], "s0");
        canvas.dot((0.0, 0.0), "s0");
        let svg = canvas.finish(10.0, 20.0, "it & more");
        assert!(is_well_formed(&svg), "{svg}");
        assert!(svg.contains(r#"<rect x="1.0" y="1.0" width="2.0" height="2.0""#), "{svg}");
    }

    #[test]
    fn what_is_not_well_formed_is_seen() {
        for svg in ["", "<svg>", "<svg></g>", "<svg a=\"b></svg>", "<svg>a & b</svg>", "<svg/>x"] {
            assert!(!is_well_formed(svg), "{svg}");
        }
    }
}
