//! Rust source with its code and its comments apart, so that a rule about code never trips over a
//! string, nor a rule about comments over code.

/// Two texts of the same length as the file, line by line: what does not belong is blank.
#[derive(Debug)]
pub(super) struct Source {
    /// Neither comments nor the insides of strings and characters.
    pub(super) code: String,
    /// Comments alone, doc comments included.
    pub(super) comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Code,
    Comment,
    Literal,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let classes = classify(text.as_bytes());
        let only = |wanted: Class| {
            let keep = |(byte, class): (u8, &Class)| match (byte, *class == wanted) {
                (b'\n', _) | (_, true) => byte,
                (_, false) => b' ',
            };
            let bytes = text.bytes().zip(&classes).map(keep).collect::<Vec<_>>();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self { code: only(Class::Code), comments: only(Class::Comment) }
    }

    /// The code without what is compiled for tests only, and the modules that were declared there.
    pub(super) fn without_tests(&self) -> (String, Vec<String>) {
        let mut code = self.code.clone().into_bytes();
        let mut modules = Vec::new();
        let mut from = 0;
        while let Some(start) = find_test_attribute(&self.code, from) {
            let end = item_end(&self.code, start);
            let item = &self.code[start..end];
            if let Some(declaration) = item.strip_suffix(';')
                && let Some((_, name)) = declaration.rsplit_once("mod ")
            {
                modules.push(name.trim().to_owned());
            }
            code[start..end]
                .iter_mut()
                .filter(|byte| **byte != b'\n')
                .for_each(|byte| *byte = b' ');
            from = end;
        }
        (String::from_utf8_lossy(&code).into_owned(), modules)
    }
}

fn classify(text: &[u8]) -> Vec<Class> {
    let mut classes = vec![Class::Code; text.len()];
    let mut at = 0;
    while at < text.len() {
        let (class, end) = match &text[at..] {
            [b'/', b'/', ..] => (Class::Comment, line_end(text, at)),
            [b'/', b'*', ..] => (Class::Comment, block_comment_end(text, at)),
            [b'"', ..] => (Class::Literal, string_end(text, at + 1)),
            [b'\'', ..] => (Class::Literal, character_end(text, at)),
            [b'r', ..] if !follows_identifier(text, at) => (Class::Literal, raw_end(text, at)),
            _ => (Class::Code, at + 1),
        };
        classes[at..end].fill(class);
        // The quotes stay code, so that an argument is seen to be there.
        if class == Class::Literal && end > at {
            classes[at] = Class::Code;
            classes[end - 1] = Class::Code;
        }
        at = end.max(at + 1);
    }
    classes
}

fn line_end(text: &[u8], from: usize) -> usize {
    text[from..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |offset| from + offset)
}

/// Block comments nest.
fn block_comment_end(text: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn string_end(text: &[u8], mut at: usize) -> usize {
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The end of a character, or `from` itself when the quote opens a lifetime.
fn character_end(text: &[u8], from: usize) -> usize {
    let rest = &text[from + 1..];
    if rest.first() == Some(&b'\\') {
        let close = rest.iter().skip(2).position(|byte| *byte == b'\'');
        return close.map_or(text.len(), |offset| from + offset + 4);
    }
    // One character, of one to four bytes.
    let width = rest.iter().skip(1).take_while(|byte| **byte & 0xC0 == 0x80).count() + 1;
    if rest.get(width) == Some(&b'\'') { from + width + 2 } else { from }
}

/// The end of a raw string, or `from` itself when the `r` is no start of one.
fn raw_end(text: &[u8], from: usize) -> usize {
    let hashes = text[from + 1..].iter().take_while(|byte| **byte == b'#').count();
    let open = from + 1 + hashes;
    if text.get(open) != Some(&b'"') {
        return from;
    }
    let mut close = vec![b'#'; hashes + 1];
    close[0] = b'"';
    let body = &text[open + 1..];
    let offset = body.windows(close.len()).position(|window| window == close);
    offset.map_or(text.len(), |offset| open + 1 + offset + close.len())
}

/// Whether the byte goes on with an identifier; the `b` and `c` of `br"` and `cr"` are none.
fn follows_identifier(text: &[u8], at: usize) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let before = |back: usize| at.checked_sub(back).map(|index| text[index]);
    match before(1) {
        Some(b'b' | b'c') => before(2).is_some_and(is_part),
        Some(byte) => is_part(byte),
        None => false,
    }
}

/// Where the next `#[cfg(…)]` starts that asks for `test`.
fn find_test_attribute(code: &str, from: usize) -> Option<usize> {
    let mut from = from;
    loop {
        let start = from + code[from..].find("#[cfg(")?;
        let end = start + code[start..].find(']')?;
        let condition = &code[start + "#[cfg(".len()..end];
        let asks = |word: &str| word == "test";
        let is_word_part = |c: char| !(c.is_alphanumeric() || c == '_');
        if condition.split(is_word_part).any(asks) && !condition.contains("not(test") {
            return Some(start);
        }
        from = end;
    }
}

/// The end of the item whose attribute starts at `start`: its `;` or its closing brace.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0_usize;
    let mut brackets = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(start) {
        match byte {
            // A `;` between brackets is an array's length.
            b'[' | b'(' => brackets += 1,
            b']' | b')' => brackets = brackets.saturating_sub(1),
            b'{' => depth += 1,
            b'}' if depth <= 1 => return offset + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 && brackets == 0 => return offset + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comments_and_literals_are_told_apart() {
        for (text, code, comments) in [
            ("a(); // b", "a();", "// b"),
            ("a /* b /* c */ d */ e", "a e", "/* b /* c */ d */"),
            (r#"f("// no \" x")"#, r#"f(" ")"#, ""),
            ("g(r#\"a\"b\"#, 1)", "g(r #, 1)", ""),
            ("h(br\"a\\\") // b", "h(br \")", "// b"),
            ("let c = '\"'; // b", "let c = ' ';", "// b"),
            (r"let c = '\''; // b", "let c = ' ';", "// b"),
            (r"let c = '\u{1F600}'; // b", "let c = ' ';", "// b"),
            ("let c = 'é'; // é", "let c = ' ';", "// é"),
            ("fn f<'a>(x: &'a str) {} // b", "fn f<'a>(x: &'a str) {}", "// b"),
            ("for r in 0..1 {} // b", "for r in 0..1 {}", "// b"),
            ("a // b\nc", "a c", "// b"),
            ("a /* never closed", "a", "/* never closed"),
            ("a(\"never closed", "a(\"  d", ""),
        ] {
            let source = Source::new(text);
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(squeezed(&source.code), squeezed(code), "{text}");
            assert_eq!(squeezed(&source.comments), comments, "{text}");
            assert_eq!(source.code.len(), text.len(), "{text}");
        }
    }

    #[test]
    fn what_is_compiled_for_tests_only_is_blanked_and_its_modules_named() {
        let source = Source::new(
            "fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}\n#[cfg(all(test, feature = \"x\"))]\n\
             mod more { fn c() { [0; 3]; } }\nfn d() {}\n#[cfg(not(test))]\nfn e() {}\n",
        );
        let (code, modules) = source.without_tests();
        assert_eq!(modules, ["tests"]);
        for kept in ["fn a", "fn b", "fn d", "fn e"] {
            assert!(code.contains(kept), "{kept} in {code}");
        }
        assert!(!code.contains("fn c") && !code.contains("mod"), "{code}");
        assert_eq!(code.lines().count(), 9);
    }
}
