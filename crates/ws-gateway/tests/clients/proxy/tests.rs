//! The proxy itself: each fault is what it is called.

use std::collections::VecDeque;

use super::*;

async fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    port
}

async fn said(stream: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut heard = vec![0; text.len()];
    stream.read_exact(&mut heard).await.map(|_| heard)
}

async fn behind(fate: Fate) -> (Proxy, TcpStream) {
    let proxy = Proxy::start(echo().await, None).await.unwrap();
    proxy.set_weather(Weather::Planned(VecDeque::from([fate])));
    let stream = TcpStream::connect(proxy.address).await.unwrap();
    (proxy, stream)
}

#[tokio::test]
async fn in_fair_weather_everything_is_carried() {
    let (proxy, mut stream) = behind(Fate::FAIR).await;
    assert_eq!(said(&mut stream, b"hello").await.unwrap(), b"hello");
    assert!(proxy.tally().is_empty());
    proxy.befall(Fault::Cut);
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(proxy.ended(), 1);
    // The next one is carried.
    let mut next = TcpStream::connect(proxy.address).await.unwrap();
    assert_eq!(said(&mut next, b"again").await.unwrap(), b"again");
}

#[tokio::test]
async fn what_is_cut_has_carried_as_much_as_was_planned() {
    let (proxy, mut stream) = behind(Fate { end: Some((Fault::Cut, 13)), ..Fate::FAIR }).await;
    // Five there and five back, and three of the next ones.
    assert_eq!(said(&mut stream, b"hello").await.unwrap(), b"hello");
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(proxy.tally(), BTreeMap::from([(Fault::Cut, 1)]));
}

#[tokio::test]
async fn what_is_reset_breaks_and_does_not_end() {
    let (proxy, mut stream) = behind(Fate { end: Some((Fault::Reset, 7)), ..Fate::FAIR }).await;
    stream.write_all(b"hello").await.unwrap();
    let mut heard = Vec::new();
    let error = stream.read_to_end(&mut heard).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(proxy.tally(), BTreeMap::from([(Fault::Reset, 1)]));
}

#[tokio::test]
async fn what_is_half_open_takes_everything_and_says_nothing() {
    let (proxy, mut stream) = behind(Fate { end: Some((Fault::HalfOpen, 10)), ..Fate::FAIR }).await;
    assert_eq!(said(&mut stream, b"hello").await.unwrap(), b"hello");
    let silent = timeout(Duration::from_millis(50), said(&mut stream, b"hello")).await;
    assert!(silent.is_err(), "{silent:?}");
    assert_eq!(proxy.open(), 1);
}

#[tokio::test]
async fn what_stalls_or_is_slow_comes_later_and_whole() {
    for trouble in [Fault::Stall, Fault::Slow] {
        let lasts = Duration::from_millis(40);
        let fate = Fate { trouble: Some((trouble, 3, lasts)), ..Fate::FAIR };
        let (proxy, mut stream) = behind(fate).await;
        let started = Instant::now();
        let text = vec![7; 4000];
        assert_eq!(said(&mut stream, &text).await.unwrap(), text);
        assert!(started.elapsed() >= lasts, "{trouble:?}: {:?}", started.elapsed());
        assert_eq!(proxy.tally(), BTreeMap::from([(trouble, 1)]));
    }
}

#[tokio::test]
async fn an_upgrade_is_answered_in_the_gateways_place() {
    let fate = Fate { upgrade: Some(Fault::BadGateway), ..Fate::FAIR };
    let (proxy, mut stream) = behind(fate).await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    assert_eq!((proxy.tally(), proxy.ended()), (BTreeMap::from([(Fault::BadGateway, 1)]), 0));
    proxy.answer("404 Not Found", "{}", 1);
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    answer.clear();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("{}"), "{answer}");
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    assert_eq!(said(&mut stream, b"hello").await.unwrap(), b"hello");
}

#[tokio::test]
async fn where_tls_is_spoken_it_answers_in_tls_and_carries_what_it_does_not_read() {
    let tls = Some(crate::trust::showing());
    let proxy = Proxy::start(echo().await, tls).await.unwrap();
    proxy.answer("503 Service Unavailable", "later", 1);
    let web = crate::trust::web();
    let answer = web.get(format!("https://{}/ws", proxy.address)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (503, "later".into()));
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    assert_eq!(said(&mut stream, b"whatever it is").await.unwrap(), b"whatever it is");
}

#[test]
fn a_seed_is_one_weather_with_something_of_everything() {
    let fates = |seed| {
        let mut weather = Weather::storm(seed, 10_000);
        std::iter::repeat_with(move || weather.next()).take(1_000).collect::<Vec<_>>()
    };
    assert_eq!(fates(1), fates(1));
    assert_ne!(fates(1), fates(2));
    let mut kinds = BTreeMap::<Fault, usize>::new();
    for Fate { upgrade, trouble, end } in fates(3) {
        let (end, _) = end.expect("a storm ends everything");
        let befalls = [upgrade, trouble.map(|(fault, ..)| fault), Some(end)];
        befalls.into_iter().flatten().for_each(|fault| *kinds.entry(fault).or_default() += 1);
    }
    assert!(kinds.len() == 7 && kinds.values().all(|count| *count > 5), "{kinds:?}");
}
