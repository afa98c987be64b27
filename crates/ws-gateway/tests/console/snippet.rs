//! The console's Rust snippet as it is copied: that it is here is what shows that it compiles.
#![expect(dead_code, reason = "it listens until somebody stops it, and is compiled and not run")]
#![expect(clippy::print_stdout, reason = "it is a program of its own")]

use serde_json::json;
use ws_client::{Client, News};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::builder("${address}").token("${token}").connect()?;

    let mut news = client.subscribe("news").await?;
    client.publish("news", &json!({ "hello": "from Rust" })).await?;
    while let Some(event) = news.next().await {
        if let News::Message(message) = event {
            println!("{}", message.data);
        }
    }
    Ok(())
}
