use super::*;
use http::HeaderValue;
use proptest::prelude::*;

type Expect<'a> = Result<Option<(CredentialSource, &'a str)>, (CredentialSource, CredentialFault)>;

#[track_caller]
fn check(sources: &CredentialSources<'_>, expect: Expect<'_>) {
    let found = find_credential(sources);
    let found =
        found.as_ref().map(|found| found.as_ref().map(|found| (found.source(), found.token())));
    assert_eq!(found.map_err(|error| (error.source, error.fault)), expect);
}

#[test]
fn the_authorization_header_is_read_as_rfc_6750_writes_it() {
    use CredentialFault::{Empty, IllFormed, Repeated};
    let check = |values: &[&str], expect: Result<Option<&str>, CredentialFault>| {
        let sources =
            CredentialSources { authorization: values.to_vec(), ..CredentialSources::default() };
        check(
            &sources,
            expect
                .map(|token| token.map(|token| (CredentialSource::Header, token)))
                .map_err(|fault| (CredentialSource::Header, fault)),
        );
    };
    check(&[], Ok(None));
    check(&["Bearer a.b.c"], Ok(Some("a.b.c")));
    check(&["bearer a.b.c"], Ok(Some("a.b.c")));
    check(&["  BEARER \t a.b.c  "], Ok(Some("a.b.c")));
    check(&["Basic dXNlcjpwYXNz"], Ok(None));
    check(&["Basic dXNlcjpwYXNz", "Bearer a.b.c"], Ok(Some("a.b.c")));
    check(&["Bearera.b.c"], Ok(None));
    check(&["Bearer"], Err(Empty));
    check(&["Bearer "], Err(Empty));
    check(&["Bearer a b"], Err(IllFormed));
    check(&["Bearer a.b.c, Bearer d.e.f"], Err(IllFormed));
    check(&["Bearer \"a.b.c\""], Err(IllFormed));
    check(&["Bearer a.b.c="], Err(IllFormed));
    check(&["Bearer a.b.c", "Bearer a.b.c"], Err(Repeated));
}

#[test]
fn the_subprotocol_carries_a_token_only_beside_ours() {
    use CredentialFault::{Empty, IllFormed, NoSubprotocol, Repeated};
    let check = |values: &[&str], expect: Result<Option<&str>, CredentialFault>| {
        let sources =
            CredentialSources { subprotocols: values.to_vec(), ..CredentialSources::default() };
        check(
            &sources,
            expect
                .map(|token| token.map(|token| (CredentialSource::Subprotocol, token)))
                .map_err(|fault| (CredentialSource::Subprotocol, fault)),
        );
    };
    check(&["ws-gateway.v1"], Ok(None));
    check(&["chat, graphql-ws"], Ok(None));
    check(&["ws-gateway.v1, bearer.a.b.c"], Ok(Some("a.b.c")));
    check(&["bearer.a.b.c,ws-gateway.v1"], Ok(Some("a.b.c")));
    check(&["ws-gateway.v1", "bearer.a.b.c"], Ok(Some("a.b.c")));
    check(&["bearer.a.b.c"], Err(NoSubprotocol));
    check(&["bearer.a.b.c, other"], Err(NoSubprotocol));
    check(&["WS-GATEWAY.V1, bearer.a.b.c"], Err(NoSubprotocol));
    check(&["ws-gateway.v1, Bearer.a.b.c"], Ok(None));
    check(&["ws-gateway.v1, bearer."], Err(Empty));
    check(&["ws-gateway.v1, bearer.a b"], Err(IllFormed));
    check(&["ws-gateway.v1, bearer.a.b.c, bearer.d.e.f"], Err(Repeated));
}

#[test]
fn only_our_subprotocol_is_ever_echoed() {
    assert_eq!(select_subprotocol(["bearer.a.b.c, ws-gateway.v1"]), Some("ws-gateway.v1"));
    assert_eq!(select_subprotocol(["other", "ws-gateway.v1"]), Some("ws-gateway.v1"));
    assert_eq!(select_subprotocol(["bearer.a.b.c"]), None);
    assert_eq!(select_subprotocol([]), None);
}

#[test]
fn the_query_has_one_parameter_named_token() {
    use CredentialFault::{Empty, IllFormed, Repeated};
    let check = |query: &str, expect: Result<Option<&str>, CredentialFault>| {
        let sources = CredentialSources { query: Some(query), ..CredentialSources::default() };
        check(
            &sources,
            expect
                .map(|token| token.map(|token| (CredentialSource::Query, token)))
                .map_err(|fault| (CredentialSource::Query, fault)),
        );
    };
    check("", Ok(None));
    check("token=a.b.c", Ok(Some("a.b.c")));
    check("a=1&token=a.b.c&b=2", Ok(Some("a.b.c")));
    check("token=a%2Eb%2ec", Ok(Some("a.b.c")));
    check("Token=a.b.c", Ok(None));
    check("mytoken=a.b.c", Ok(None));
    check("x=token=a.b.c", Ok(None));
    check("token=", Err(Empty));
    check("token", Err(Empty));
    check("token=a+b", Err(IllFormed));
    check("token=a%20b", Err(IllFormed));
    check("token=a%2", Err(IllFormed));
    check("token=a%zz", Err(IllFormed));
    check("token=a%ff", Err(IllFormed));
    check("token=a%+1", Err(IllFormed));
    check("token=a.b.c&token=d.e.f", Err(Repeated));
}

#[test]
fn a_cookie_counts_only_under_the_configured_name() {
    use CredentialFault::{Empty, IllFormed, Repeated};
    let check =
        |name: Option<&str>, cookies: &[&str], expect: Result<Option<&str>, CredentialFault>| {
            let sources = CredentialSources {
                cookies: cookies.to_vec(),
                cookie_name: name,
                ..CredentialSources::default()
            };
            check(
                &sources,
                expect
                    .map(|token| token.map(|token| (CredentialSource::Cookie, token)))
                    .map_err(|fault| (CredentialSource::Cookie, fault)),
            );
        };
    check(None, &["session=a.b.c"], Ok(None));
    check(Some("session"), &["session=a.b.c"], Ok(Some("a.b.c")));
    check(Some("session"), &["a=1; session=a.b.c; b=2"], Ok(Some("a.b.c")));
    check(Some("session"), &["a=1", "session=\"a.b.c\""], Ok(Some("a.b.c")));
    check(Some("session"), &["SESSION=a.b.c; xsession=d"], Ok(None));
    check(Some("session"), &["session"], Ok(None));
    check(Some("session"), &["session="], Err(Empty));
    check(Some("session"), &["session=a b"], Err(IllFormed));
    check(Some("session"), &["session=a.b.c; session=d.e.f"], Err(Repeated));
}

#[test]
fn the_order_is_header_subprotocol_query_cookie_and_a_bad_one_is_not_passed_over() {
    let all = CredentialSources {
        authorization: vec!["Bearer h"],
        subprotocols: vec!["ws-gateway.v1, bearer.s"],
        query: Some("token=q"),
        cookies: vec!["c=c"],
        cookie_name: Some("c"),
    };
    check(&all, Ok(Some((CredentialSource::Header, "h"))));
    let all = CredentialSources { authorization: vec![], ..all };
    check(&all, Ok(Some((CredentialSource::Subprotocol, "s"))));
    let bad = CredentialSources { subprotocols: vec!["ws-gateway.v1, bearer."], ..all.clone() };
    check(&bad, Err((CredentialSource::Subprotocol, CredentialFault::Empty)));
    let all = CredentialSources { subprotocols: vec!["ws-gateway.v1"], ..all };
    check(&all, Ok(Some((CredentialSource::Query, "q"))));
    let all = CredentialSources { query: None, ..all };
    check(&all, Ok(Some((CredentialSource::Cookie, "c"))));
    check(&CredentialSources { cookie_name: None, ..all }, Ok(None));
}

#[test]
fn headers_of_a_request_are_searched_and_binary_ones_are_refused() {
    let mut headers = HeaderMap::new();
    assert_eq!(find_credential_in(&headers, None, Some("c")), Ok(None));
    headers.insert(COOKIE, HeaderValue::from_static("c=a.b.c"));
    let found = find_credential_in(&headers, None, Some("c")).expect("well-formed").expect("there");
    assert_eq!((found.source(), found.token()), (CredentialSource::Cookie, "a.b.c"));
    headers.insert(AUTHORIZATION, HeaderValue::from_bytes(b"Bearer a.b.\xff").expect("opaque"));
    let error = find_credential_in(&headers, None, Some("c")).expect_err("not text");
    assert_eq!(error.source, CredentialSource::Header);
}

#[test]
fn neither_a_credential_nor_its_error_shows_the_token() {
    let sources =
        CredentialSources { query: Some("token=hunter2"), ..CredentialSources::default() };
    let found = find_credential(&sources).expect("well-formed").expect("there");
    assert!(!format!("{found:?} {:?}", found.clone().into_owned()).contains("hunter2"));
    let sources =
        CredentialSources { query: Some("token=hunter2!"), ..CredentialSources::default() };
    let error = find_credential(&sources).expect_err("an exclamation mark");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert_eq!(error.public_reason(), "Invalid token");
    assert_eq!(AuthError::from(error), AuthError::Malformed);
}

proptest! {
    #[test]
    fn no_request_panics_and_what_is_found_has_the_alphabet_of_tokens(
        authorization in "(Bearer |basic )?.{0,30}",
        subprotocols in "(ws-gateway.v1, bearer.)?.{0,30}",
        query in "(token=)?.{0,30}",
        cookies in "(c=)?.{0,30}",
    ) {
        let found = find_credential(&CredentialSources {
            authorization: vec![&authorization],
            subprotocols: vec![&subprotocols],
            query: Some(&query),
            cookies: vec![&cookies],
            cookie_name: Some("c"),
        });
        if let Ok(Some(found)) = found {
            let is_known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            prop_assert!(!found.token().is_empty() && found.token().chars().all(is_known));
        }
    }
}
