//! The JavaScript of the pages about our client, run as it stands there.

use std::path::Path;

use ws_test_servers::tls as files;

use crate::{
    process::{Process, file, token},
    script::Script,
};

const README: &str = include_str!("../../../../README.md");
const CLIENTS: &str = include_str!("../../../../docs/clients.md");

/// The block that has this in it, at another address and with what a page around it would have.
fn snippet(page: &str, part: &str, host: &str) -> String {
    let blocks =
        page.split("```js\n").skip(1).map(|rest| rest.split("```").next().expect("a block"));
    let block = blocks.into_iter().find(|block| block.contains(part)).expect("a block with it");
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/js");
    let module = |name: &str| format!("\"file://{}\"", package.join(name).display());
    let import =
        if block.contains("import") { "" } else { "import { Pool } from \"/client.js\";\n" };
    let around = "const [token] = process.argv.slice(2);\nconst fetchToken = async () => token;\n";
    format!("{import}{around}{block}")
        .replace("\"/client.js\"", &module("index.js"))
        .replace("\"ws-gateway-client\"", &module("index.js"))
        .replace("wss://gateway.example", &format!("wss://{host}"))
}

/// With TLS, as the pages have it.
async fn start() -> Process {
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let (certificate, key) = (text(files::certificate()), text(files::key()));
    Process::start(&[], &[("TLS_CERT", &certificate), ("TLS_KEY", &key)]).await
}

/// Runs it, for as long as the test looks at it.
fn run(name: &str, page: &str, part: &str, gateway: &Process) -> Script {
    let script = snippet(page, part, &gateway.address.to_string());
    let path = file(&format!("{name}.mjs"), &script).to_string_lossy().into_owned();
    Script::start(&path, &[&token("user-123")])
}

#[tokio::test]
async fn the_readmes_client_hears_what_it_publishes() {
    let gateway = start().await;
    for (name, page) in [("readme", README), ("clients", CLIENTS)] {
        let mut script = run(name, page, "for await", &gateway);
        script.prints(&["2 of BTCUSDT"]).await;
    }
}

#[tokio::test]
async fn the_page_of_clients_has_a_pool_and_a_class_that_work() {
    let gateway = start().await;
    let mut script = run("class", CLIENTS, "WebSocketClient", &gateway);
    script.prints(&["user-123: Hello!"]).await;
    let before = gateway.log().matches("connected").count();
    let _pool = run("pool", CLIENTS, "Pool(", &gateway);
    for _ in 0..500 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        if gateway.log().matches("connected").count() > before {
            return;
        }
    }
    panic!("the pool did not connect:\n{}", gateway.log());
}
