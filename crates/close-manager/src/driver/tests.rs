use std::time::Duration;

use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::{self, sleep},
};
use tungstenite::protocol::frame::coding::CloseCode;

use super::*;
use crate::SendableCode;

const SECOND: Duration = Duration::from_secs(1);

fn restart() -> CloseOptions {
    CloseOptions::new(SendableCode::RESTART).reason("Server restart")
}

enum Command {
    Close(CloseFrame),
    Force,
}

struct Handle(UnboundedSender<Command>);

impl Closable for Handle {
    fn start_close(&self, frame: CloseFrame) {
        // A task that is gone has said so.
        let _ = self.0.send(Command::Close(frame));
    }

    fn force(&self) {
        let _ = self.0.send(Command::Force);
    }
}

/// A connection whose peer answers after `latency`, if it does; forced, it ends at once.
fn connection(
    key: u32,
    latency: Option<Duration>,
    closed: &UnboundedSender<Closed<u32>>,
) -> (u32, Handle) {
    let (commands, mut receiver) = unbounded_channel();
    let closed = closed.clone();
    tokio::spawn(async move {
        let mut acknowledged = false;
        while let Some(command) = receiver.recv().await {
            match (command, latency) {
                (Command::Close(frame), latency) => {
                    assert_eq!(frame.code, CloseCode::Restart);
                    let Some(latency) = latency else { continue };
                    sleep(latency).await;
                    acknowledged = true;
                }
                (Command::Force, _) => {}
            }
            break;
        }
        let _ = closed.send(Closed { key, acknowledged });
    });
    (key, Handle(commands))
}

#[tokio::test(start_paused = true)]
async fn all_that_answer_are_acknowledged_and_the_future_returns_with_the_last() {
    let (closed, mut closings) = unbounded_channel();
    let ms = Duration::from_millis(1);
    let connections: Vec<_> =
        (0..10_000).map(|key| connection(key, Some(ms * (key % 40)), &closed)).collect();
    let start = time::Instant::now();
    let report = close_all(connections, &restart(), &mut closings).await;
    assert_eq!((report.total, report.acknowledged, report.forced), (10_000, 10_000, 0));
    assert!(start.elapsed() < SECOND, "{report}");
}

#[tokio::test(start_paused = true)]
async fn those_that_do_not_answer_are_forced_at_the_one_deadline() {
    let (closed, mut closings) = unbounded_channel();
    let ms = Duration::from_millis(1);
    let connections: Vec<_> = (0..1000)
        .map(|key| connection(key, key.is_multiple_of(4).then_some(ms), &closed))
        .collect();
    let start = time::Instant::now();
    let report = close_all(connections, &restart().timeout(3 * SECOND), &mut closings).await;
    assert_eq!((report.acknowledged, report.forced), (250, 750));
    assert_eq!(start.elapsed().as_secs(), 3);
    let mut ended = 0;
    while ended < 750 {
        assert!(!closings.recv().await.unwrap().acknowledged, "forced");
        ended += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_never_report_hold_nobody_beyond_the_deadline() {
    struct Mute;
    impl Closable for Mute {
        fn start_close(&self, _: CloseFrame) {}
        fn force(&self) {}
    }
    // All senders are gone, too.
    let (_, mut closings) = unbounded_channel();
    let start = time::Instant::now();
    let report = close_all((0..100).map(|key| (key, Mute)), &restart(), &mut closings).await;
    assert_eq!(report.forced, 100);
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn connections_that_ended_before_are_already_closed() {
    let (closed, mut closings) = unbounded_channel();
    let connections = [connection(1, Some(SECOND), &closed), connection(2, None, &closed)];
    connections[1].1.force();
    tokio::task::yield_now().await;
    let report = close_all(connections, &restart(), &mut closings).await;
    assert_eq!((report.already_closed, report.acknowledged), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn nothing_to_close_is_done_at_once() {
    let (_closed, mut closings) = unbounded_channel::<Closed<u32>>();
    let report = close_all(Vec::<(u32, Handle)>::new(), &restart(), &mut closings).await;
    assert!(report.is_done());
}

/// One that notes what it is told, and is gone with its close.
struct Told(u32, UnboundedSender<Closed<u32>>, UnboundedSender<Option<Duration>>);

impl Closable for Told {
    fn come_back(&self, after: Duration) {
        let _ = self.2.send(Some(after));
    }

    fn start_close(&self, _frame: CloseFrame) {
        let _ = self.2.send(None);
        let _ = self.1.send(Closed { key: self.0, acknowledged: true });
    }

    fn force(&self) {}
}

#[tokio::test(start_paused = true)]
async fn everybody_is_told_when_to_come_back_and_then_closed() {
    let (closed, mut closings) = unbounded_channel();
    let (told, mut tellings) = unbounded_channel();
    let connections = (0..100).map(|key| (key, Told(key, closed.clone(), told.clone())));
    let pace = crate::Pace::new(std::num::NonZeroU32::new(10).unwrap(), 7);
    let report = close_all(connections, &restart().returns(pace), &mut closings).await;
    assert_eq!(report.acknowledged, 100);
    let mut places = Vec::new();
    while let Ok(after) = tellings.try_recv() {
        places.push(after.expect("before the close").as_secs());
        assert_eq!(tellings.try_recv(), Ok(None), "and the close is next");
    }
    let ten_a_second: Vec<_> = (0..100).map(|place| place / 10).collect();
    assert_eq!(places, ten_a_second);
}
