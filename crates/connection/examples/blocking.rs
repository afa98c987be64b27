//! The machine driven by hand over a blocking `std::net::TcpStream`: no runtime, no tasks, one thread for
//! each connection. It shows all that a driver has to do.
//!
//! ```text
//! cargo run -p ws-connection --example blocking
//! ```
//!
//! It prints an address; connect with any client (in a browser's console:
//! `s = new WebSocket("ws://…"); s.onmessage = (e) => console.log(e.data); s.onopen = () => s.send("hello")`).
//! You get back what you send, are pinged after 30 seconds of silence, and the end of each connection is
//! printed.
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use ws_connection::{
    Connection, ConnectionConfig, End, Event, Teardown, Workspace,
    handshake::{HeadLimits, Upgrade, encode_response, parse_request},
};

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("ws://{}/", listener.local_addr()?);
    let config = Arc::new(ConnectionConfig::server());
    for socket in listener.incoming() {
        let (socket, config) = (socket?, config.clone());
        std::thread::spawn(move || {
            println!(
                "{}",
                match serve(socket, config) {
                    Ok(Some(End { cause, acknowledged: true, .. })) =>
                        format!("over: {}", cause.label()),
                    Ok(Some(End { cause, .. })) => format!("cut off: {}", cause.label()),
                    Ok(None) => "not a WebSocket".to_owned(),
                    Err(error) => format!("failed: {error}"),
                }
            );
        });
    }
    Ok(())
}

/// One connection from its first byte to its end.
fn serve(mut socket: TcpStream, config: Arc<ConnectionConfig>) -> io::Result<Option<End>> {
    let Some(early) = shake_hands(&mut socket)? else { return Ok(None) };
    // The machine has no source of randomness of its own either.
    let entropy = RandomState::new().hash_one(socket.peer_addr()?);
    let mut connection = Connection::new(config, None, entropy, now());
    let mut workspace = Workspace::new();
    let mut out = Vec::new();

    workspace.load(&early);
    loop {
        // What was read becomes events; answers collect in `out`.
        while let Some(event) = connection.poll_event(&mut workspace, &mut out, now()) {
            // It fails only when the connection is closing, and then nobody waits for an echo.
            let _ = match event {
                Event::Text(text) => connection.send_text(text, &mut out, now()),
                Event::Binary(bytes) => connection.send_binary(bytes, &mut out, now()),
                Event::Ping(_) | Event::Pong { .. } | Event::Close(_) | Event::Failed(_) => Ok(()),
            };
        }
        // Deadlines that have passed: pings, a dead or idle peer, a close that nobody answered.
        while connection.handle_timeout(&mut out, now()).is_some() {}
        // All of it leaves with one call.
        socket.write_all(&out)?;
        out.clear();
        match connection.teardown() {
            Teardown::KeepOpen => {}
            Teardown::ShutdownWrite => {
                // The peer may have ended its half meanwhile: there is nothing to do about it.
                let _ = socket.shutdown(Shutdown::Write);
            }
            Teardown::Close | Teardown::Abandon => return Ok(connection.ended()),
        }
        read(&mut socket, &mut connection, &mut workspace)?;
    }
}

/// Waits for bytes, but no longer than until the next deadline.
fn read(
    socket: &mut TcpStream,
    connection: &mut Connection,
    workspace: &mut Workspace,
) -> io::Result<()> {
    let wait = connection.poll_timeout().map(|due| due.saturating_duration_since(now()));
    // A wait of zero would mean for ever.
    socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
    match socket.read(workspace.read_buffer()) {
        Ok(0) => connection.handle_eof(now()),
        Ok(len) => workspace.filled(len),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
        Err(error) => connection.handle_io_error(error.kind(), now()),
    }
    Ok(())
}

/// Reads the request and answers it; what came behind it is returned, or `None` if it was refused.
fn shake_hands(socket: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = Vec::new();
    let (request, len) = loop {
        let mut piece = [0; 1024];
        match socket.read(&mut piece)? {
            0 => return Ok(None),
            len => head.extend_from_slice(&piece[..len]),
        }
        match parse_request(&head, HeadLimits::default()) {
            Ok(Some(parsed)) => break parsed,
            Ok(None) => {}
            Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error)),
        }
    };
    let mut answer = Vec::new();
    let accepted = match Upgrade::from_request(&request) {
        Ok(upgrade) => {
            encode_response(&upgrade.response(None, None).map(|()| ""), &mut answer);
            true
        }
        Err(refusal) => {
            let mut response = http::Response::new(refusal.to_string());
            *response.status_mut() = refusal.status();
            response.headers_mut().extend(refusal.headers());
            encode_response(&response, &mut answer);
            false
        }
    };
    socket.write_all(&answer)?;
    Ok(accepted.then(|| head.split_off(len)))
}

/// The machine is told the time; here is where it comes from.
#[expect(clippy::disallowed_methods, reason = "a driver is who reads the clock")]
fn now() -> Instant {
    Instant::now()
}
