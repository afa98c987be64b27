//! axum's `ws`: the extractor of its docs, echoing as tokio-tungstenite's example does.

use axum::{
    Router,
    extract::{
        WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    response::Response,
    routing::any,
    serve::ListenerExt,
};
use futures_util::{StreamExt, TryStreamExt, future};
use peers::{Options, Result};
use tokio::net::TcpListener;

fn main() -> Result<()> {
    peers::run(serve)
}

async fn serve(options: Options, listener: TcpListener) -> Result<()> {
    let read_buffer = options.only_echo()?.read_buffer;
    let upgrade = async move |upgrade: WebSocketUpgrade| -> Response {
        upgrade.read_buffer_size(read_buffer).on_upgrade(echo)
    };
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route("/", any(upgrade))).await?;
    Ok(())
}

async fn echo(socket: WebSocket) {
    let (sink, stream) = socket.split();
    let is_data = |message: &Message| matches!(message, Message::Text(_) | Message::Binary(_));
    // It ends with the connection, however that ends.
    let _ = stream.try_filter(|message| future::ready(is_data(message))).forward(sink).await;
}
