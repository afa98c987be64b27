use parking_lot::Mutex;
use tokio::time::sleep;

use super::*;

const V4: [u8; 3] = [192, 0, 2];

fn v4(last: u8) -> SocketAddr {
    SocketAddr::from(([V4[0], V4[1], V4[2], last], 80))
}

fn v6(last: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80))
}

/// What an address does: after how many milliseconds it takes the connection or refuses it.
type Script = [(SocketAddr, u64, bool)];

/// Who was chosen, after how many milliseconds, and when each was tried.
async fn dial(script: &Script) -> (io::Result<SocketAddr>, u64, Vec<(SocketAddr, u64)>) {
    let began = Instant::now();
    let millis = || u64::try_from(began.elapsed().as_millis()).expect("short");
    let tried = Mutex::new(Vec::new());
    let connect_to = |address| {
        let tried = &tried;
        async move {
            tried.lock().push((address, millis()));
            let found = script.iter().find(|(it, ..)| *it == address);
            let &(_, after, takes) = found.expect("one of the script's");
            sleep(Duration::from_millis(after)).await;
            if takes { Ok(address) } else { Err(io::Error::other(format!("{address} refuses"))) }
        }
    };
    let addresses = in_turn(script.iter().map(|(address, ..)| *address).collect());
    let result = first_of(addresses, connect_to).await;
    (result, millis(), tried.into_inner())
}

const NEVER: u64 = 1_000_000;

#[tokio::test(start_paused = true)]
async fn an_address_that_answers_at_once_is_the_only_one_that_is_tried() {
    let (chosen, took, tried) = dial(&[(v6(1), 100, true), (v4(1), 0, true)]).await;
    assert_eq!((chosen.expect("one takes it"), took), (v6(1), 100));
    assert_eq!(tried, [(v6(1), 0)]);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_silent_holds_up_the_next_one_for_a_quarter_of_a_second() {
    let script = [(v6(1), NEVER, true), (v6(2), NEVER, true), (v4(1), 30, true)];
    let (chosen, took, tried) = dial(&script).await;
    assert_eq!((chosen.expect("one takes it"), took), (v4(1), 280));
    assert_eq!(tried, [(v6(1), 0), (v4(1), 250)], "the families in turn");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_refuses_holds_up_nobody() {
    let script = [(v4(1), 10, false), (v4(2), 10, false), (v4(3), 10, true)];
    let (chosen, took, tried) = dial(&script).await;
    assert_eq!((chosen.expect("one takes it"), took), (v4(3), 30));
    assert_eq!(tried, [(v4(1), 0), (v4(2), 10), (v4(3), 20)]);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_of_the_first_counts() {
    let (chosen, took, _) = dial(&[(v4(1), 300, true), (v4(2), NEVER, true)]).await;
    assert_eq!((chosen.expect("one takes it"), took), (v4(1), 300));
}

#[tokio::test(start_paused = true)]
async fn when_all_refuse_one_of_them_is_told() {
    let (chosen, took, _) = dial(&[(v6(1), 400, false), (v4(1), 20, false)]).await;
    assert_eq!(took, 400, "each was waited for");
    assert_eq!(chosen.expect_err("nobody takes it").to_string(), format!("{} refuses", v6(1)));
    let (chosen, ..) = dial(&[]).await;
    assert_eq!(chosen.expect_err("nobody is there").kind(), io::ErrorKind::NotFound);
}
