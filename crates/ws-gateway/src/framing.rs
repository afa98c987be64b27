//! Requests whose end two servers could see in two places (RFC 9112 §6.3).

use http::{HeaderMap, header};

/// What is wrong with such a request.
pub(crate) const SAID_TWICE: &str = "the length of the body is said twice";

/// Whether the length of the body is said more than once. Whoever stands before us may have believed
/// the other saying, and taken what we take for a request for a body: nobody sends such a thing in
/// good faith, so it is refused even where both sayings agree.
pub(crate) fn is_ambiguous(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let (first, second) = (lengths.next(), lengths.next());
    let is_list = first.is_some_and(|length| length.as_bytes().contains(&b','));
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let (coding, another) = (codings.next(), codings.next());
    let is_coded_twice =
        another.is_some() || coding.is_some_and(|it| it.as_bytes().contains(&b','));
    second.is_some() || is_list || is_coded_twice || (coding.is_some() && first.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9112_6_3_a_length_may_be_said_once() {
        for (lines, expect) in [
            (&[][..], false),
            (&["content-length: 0"], false),
            (&["content-length: 10"], false),
            (&["transfer-encoding: chunked"], false),
            (&["content-length: 1", "content-length: 2"], true),
            (&["content-length: 1", "content-length: 1"], true),
            (&["content-length: 1, 1"], true),
            (&["content-length: 1", "transfer-encoding: chunked"], true),
            (&["transfer-encoding: chunked", "content-length: 0"], true),
            (&["transfer-encoding: chunked", "transfer-encoding: chunked"], true),
            (&["transfer-encoding: gzip, chunked"], true),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                let (name, value) = line.split_once(": ").unwrap();
                headers.append(
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                );
            }
            assert_eq!(is_ambiguous(&headers), expect, "{lines:?}");
        }
    }
}
