//! Who gets the page, what it says of itself, and the library for pages of others.

use serde_json::json;
use ws_gateway::{Gateway, config};

use super::{KEY_ENCODED, PROTOCOLS};
use crate::{
    client::Client,
    exchange::{fetch, get},
    house::{House, configured},
};

#[tokio::test]
async fn the_page_is_there_with_a_key_or_dev_alone() {
    let closed = House::open(&[]);
    for path in ["/", "/console", "/console/main.js", "/console/ws"] {
        let response = get(closed.address, path).await;
        assert_eq!(
            (response.status, &response.json()["code"]),
            (404, &json!("not_found")),
            "{path}"
        );
    }
    let (status, code) = closed.refused(&format!("{PROTOCOLS}{KEY_ENCODED}\r\n")).await;
    assert_eq!((status, &*code), (404, "not_found"));

    let open = House::with_console(&[]);
    let page = get(open.address, "/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("<title>"), "{page:?}");
    let folder = get(open.address, "/console").await;
    assert_eq!((folder.status, folder.header("location")), (307, Some("/")));
    let missing = get(open.address, "/console/none.js").await;
    assert_eq!((missing.status, &missing.json()["code"]), (404, &json!("not_found")));
    // Clients connect at the same address as before.
    let mut client = Client::connect(open.address, &format!("/?token={}", open.token("ada"))).await;
    assert_eq!(client.next().await["userId"], "ada");

    let config = config::Config { dev: true, ..configured(&[], "") };
    let dev = House::of(Gateway::start(config).expect("a free port"));
    assert_eq!(get(dev.address, "/").await.status, 200);
}

#[tokio::test]
async fn the_page_and_its_files_say_what_they_are_and_run_nothing_of_others() {
    let house = House::with_console(&[]);
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/console/style.css", "text/css; charset=utf-8"),
        ("/console/main.js", "text/javascript; charset=utf-8"),
    ] {
        let response = get(house.address, path).await;
        let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
        for (name, value) in [
            ("content-type", content_type),
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(response.header(name), Some(value), "{path}");
        }
    }
    // The policy would stop what stands in the page itself.
    let page = get(house.address, "/").await.body;
    for inline in ["<script>", "<style", " style=", " onclick="] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn the_client_library_is_served_to_everybody_and_known_again() {
    let house = House::open(&[]);
    for (path, text) in [
        ("/client.d.ts", include_str!("../../../../client/js/client.d.ts")),
        ("/websocket-client.js", include_str!("../../../../client/js/websocket-client.js")),
    ] {
        let file = get(house.address, path).await;
        assert_eq!((file.status, &*file.body), (200, text), "{path}");
    }
    let path = "/client.js";
    let file = get(house.address, path).await;
    assert_eq!(file.body, include_str!("../../../../client/js/client.js"));
    assert_eq!(file.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(file.header("access-control-allow-origin"), Some("*"));
    assert_eq!(file.header("cache-control"), Some("no-cache"));
    // The head comes in lower case, and this tag has no other.
    let tag = file.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10, "{tag}");
    for (known, status) in [
        (tag.as_str(), 304),
        (&format!("W/{tag}"), 304),
        (&format!("\"other\", {tag}"), 304),
        ("*", 304),
        ("\"other\"", 200),
    ] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: g\r\nIf-None-Match: {known}\r\n\r\n");
        let response = fetch(house.address, head).await;
        assert_eq!(response.status, status, "{known}");
        assert_eq!(response.header("etag"), Some(&*tag));
        assert_eq!(response.body.is_empty(), status == 304);
    }
}
