//! How long an HTTP answer is current (RFC 9111 §4.2), as far as keys go.

use std::time::Duration;

/// How much longer an answer with these `Cache-Control` and `Age` headers is current, or `None` when
/// they do not say. `no-store` and `no-cache` count as "no longer".
///
/// Malformed directives count as absent. The bounds of [`JwksSettings`](crate::JwksSettings) apply
/// to the outcome, so that neither a zero nor a century does harm.
#[must_use]
pub fn max_age(cache_control: Option<&str>, age: Option<&str>) -> Option<Duration> {
    let mut seconds = None;
    for directive in cache_control?.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(Duration::ZERO),
            // The first counts: a second one is a fault of somebody's, and longer or not is chance.
            "max-age" => seconds = seconds.or_else(|| value.trim().trim_matches('"').parse().ok()),
            _ => {}
        }
    }
    let spent = age.and_then(|age| age.trim().parse().ok()).unwrap_or(0_u64);
    seconds.map(|seconds: u64| Duration::from_secs(seconds.saturating_sub(spent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_how_long_or_nothing() {
        let check = |cache_control: &str, age: Option<&str>, expect: Option<u64>| {
            let outcome = max_age(Some(cache_control), age);
            assert_eq!(outcome, expect.map(Duration::from_secs), "{cache_control:?} {age:?}");
        };
        check("max-age=600", None, Some(600));
        check("public, Max-Age=\"600\", must-revalidate", None, Some(600));
        check("max-age=600", Some("100"), Some(500));
        check("max-age=600", Some("900"), Some(0));
        check("max-age=600", Some("soon"), Some(600));
        check("max-age=1, max-age=600", None, Some(1));
        check("no-store, max-age=600", None, Some(0));
        check("no-cache", None, Some(0));
        check("public", None, None);
        check("max-age=-1", None, None);
        check("max-age=99999999999999999999999", None, None);
        check("max-age", None, None);
        check("s-maxage=600", None, None);
        check("", None, None);
        assert_eq!(max_age(None, Some("5")), None);
    }
}
