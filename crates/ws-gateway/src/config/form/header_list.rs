//! Headers of HTTP in one text.

use http::{HeaderMap, HeaderName, HeaderValue};

/// `name=value,name=value`, with values percent-encoded where they have to be; `None` if it is not that.
pub(crate) fn header_list(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let name: HeaderName = name.trim().parse().ok()?;
        let mut value = HeaderValue::from_bytes(&decoded(value.trim())?).ok()?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Some(headers)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs_and_their_values_may_be_encoded() {
        let basic = "Authorization = Basic%20YQ== , x=1";
        for (text, expect) in [
            ("", Some(vec![])),
            ("api-key=a+b==", Some(vec![("api-key", "a+b==")])),
            (basic, Some(vec![("authorization", "Basic YQ=="), ("x", "1")])),
            ("api-key", None),
            ("a b=c", None),
            ("a=%zz", None),
            ("a=%0", None),
            ("a=%0d%0ab: c", None),
        ] {
            let read = header_list(text);
            let read = read.as_ref().map(|headers| {
                let pairs = headers.iter();
                pairs
                    .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                    .collect::<Vec<_>>()
            });
            assert_eq!(read, expect, "{text}");
        }
    }
}
