//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1): a list of tokens with parameters.

use std::borrow::Cow;

/// The header's value is not of the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One entry of the list: `name; key; key=value; key="value"`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Extension<'a> {
    pub(crate) name: &'a str,
    pub(crate) parameters: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

/// The entries of one header value, in order. Empty entries (`, ,`) are skipped as RFC 9110
/// §5.6.1.2 demands of a receiver. Ends after the first fault.
pub(crate) fn extensions(value: &str) -> impl Iterator<Item = Result<Extension<'_>, Malformed>> {
    let mut cursor = Cursor { rest: value };
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let entry = cursor.next_extension().transpose();
        failed = matches!(entry, Some(Err(_)));
        entry
    })
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn next_extension(&mut self) -> Result<Option<Extension<'a>>, Malformed> {
        loop {
            self.skip_space();
            if !self.take(',') {
                break;
            }
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let name = self.token()?;
        let mut parameters = Vec::new();
        loop {
            self.skip_space();
            if self.take(';') {
                parameters.push(self.parameter()?);
            } else if self.rest.is_empty() || self.take(',') {
                return Ok(Some(Extension { name, parameters }));
            } else {
                return Err(Malformed);
            }
        }
    }

    fn parameter(&mut self) -> Result<(&'a str, Option<Cow<'a, str>>), Malformed> {
        self.skip_space();
        let key = self.token()?;
        self.skip_space();
        if !self.take('=') {
            return Ok((key, None));
        }
        self.skip_space();
        let value = if self.take('"') { self.quoted()? } else { Cow::Borrowed(self.token()?) };
        Ok((key, Some(value)))
    }

    /// Behind the opening quote. What it holds has to be a token itself (RFC 6455 §9.1).
    fn quoted(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let end = self.rest.find(['"', '\\']).ok_or(Malformed)?;
        let mut value = Cow::Borrowed(&self.rest[..end]);
        self.rest = &self.rest[end..];
        while !self.take('"') {
            if !self.take('\\') && self.rest.is_empty() {
                return Err(Malformed);
            }
            let character = self.rest.chars().next().ok_or(Malformed)?;
            value.to_mut().push(character);
            self.rest = &self.rest[character.len_utf8()..];
        }
        if !value.is_empty() && value.bytes().all(is_token_byte) {
            Ok(value)
        } else {
            Err(Malformed)
        }
    }

    fn token(&mut self) -> Result<&'a str, Malformed> {
        let end = self.rest.bytes().position(|b| !is_token_byte(b)).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(Malformed);
        }
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(token)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn take(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// `tchar` of RFC 9110 §5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{Malformed, extensions};

    /// Writes what was parsed back in one canonical form.
    fn read(value: &str) -> Result<String, Malformed> {
        let entries: Result<Vec<_>, _> = extensions(value).collect();
        let write = |entry: super::Extension<'_>| {
            let mut text = entry.name.to_owned();
            for (key, value) in entry.parameters {
                text += &format!(";{key}");
                if let Some(value) = value {
                    text += &format!("={value}");
                }
            }
            text
        };
        Ok(entries?.into_iter().map(write).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn the_grammar_of_rfc_6455_section_9_1_is_followed() {
        for (value, expected) in [
            ("", ""),
            ("a", "a"),
            ("a;b", "a;b"),
            ("a ; b = c\t; d=\"e\" , f", "a;b=c;d=e,f"),
            (r#"a; b="1\0""#, "a;b=10"),
            (r#"a; b="\1\0", c"#, "a;b=10,c"),
            (" , ,a,, b ,", "a,b"),
        ] {
            assert_eq!(read(value).as_deref(), Ok(expected), "{value:?}");
        }
    }

    #[test]
    fn what_is_not_of_the_grammar_is_malformed() {
        for value in [
            ";",
            "a;",
            "a;;b",
            "a b",
            "a;b=",
            "a;=b",
            "a;b=\"",
            "a;b=\"c",
            "a;b=\"\"",
            "a;b=\"c d\"",
            "a;b=\"c\\",
            "a;b=\"c\"d",
            "a;b=c d",
            "a=b",
            "a,b(c)",
            "é",
            "a;b=\"é\"",
            "a;b=\"\\é\"",
            "a\u{0}",
        ] {
            assert_eq!(read(value), Err(Malformed), "{value:?}");
        }
    }

    #[test]
    fn nothing_is_read_behind_a_fault() {
        let entries: Vec<_> = extensions("a, b c, d").map(|entry| entry.is_ok()).collect();
        assert_eq!(entries, [true, false]);
    }
}
