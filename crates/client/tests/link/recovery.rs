//! Nothing is missed without a word, and nothing comes twice.

use serde_json::json;
use ws_client::{GapReason, News, Position, SubscribeOptions, Subscription};

use crate::{
    house::connected,
    subscriptions::{data, follow, is_quiet},
};

async fn gap(news: &mut Subscription) -> (GapReason, u64) {
    match news.next().await {
        Some(News::Gap(gap)) => (gap.reason, gap.dropped),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn all_channels_are_subscribed_again_after_a_reconnect() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let mut held = Vec::new();
    for name in ["a", "b", "c"] {
        held.push(follow(&client, &mut visit, name, Default::default(), json!({})).await);
    }
    drop(visit);
    let mut visit = house.greet().await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(visit.grants(json!({})).await["channel"].as_str().unwrap().to_owned());
    }
    asked.sort();
    assert_eq!(asked, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_comes_once_and_in_order() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let head = json!({"epoch": "e", "offset": 4});
    let mut news = follow(&client, &mut visit, "orders", Default::default(), head).await;
    visit.tells("orders", Some(5), "five").await;
    assert_eq!(data(&mut news).await, "five");
    drop(visit);
    let mut visit = house.greet().await;
    let asked = visit.grants(json!({"epoch": "e", "offset": 7, "recovered": true})).await;
    assert_eq!(asked["since"], json!({"epoch": "e", "offset": 5}));
    // The server repeats one, which it may not; nobody sees it.
    for (offset, text) in [(5, "five"), (6, "six"), (7, "seven"), (7, "seven"), (8, "eight")] {
        visit.tells("orders", Some(offset), text).await;
    }
    for expected in ["six", "seven", "eight"] {
        assert_eq!(data(&mut news).await, expected);
    }
    assert!(is_quiet(&mut news).await);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recovered_is_told_as_a_gap() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let head = json!({"epoch": "e", "offset": 4});
    let mut news = follow(&client, &mut visit, "orders", Default::default(), head).await;
    drop(visit);
    let mut visit = house.greet().await;
    visit.grants(json!({"epoch": "f", "offset": 90, "recovered": false})).await;
    visit.tells("orders", Some(91), "after").await;
    assert_eq!(gap(&mut news).await, (GapReason::NotRecovered, 0));
    assert_eq!(data(&mut news).await, "after");
    drop(visit);
    let mut visit = house.greet().await;
    let asked = visit.grants(json!({"epoch": "f", "offset": 91, "recovered": true})).await;
    assert_eq!(asked["since"], json!({"epoch": "f", "offset": 91}));
    assert!(is_quiet(&mut news).await);
}

#[tokio::test(start_paused = true)]
async fn a_channel_without_history_tells_of_each_reconnect_as_a_gap() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let mut news = follow(&client, &mut visit, "news", Default::default(), json!({})).await;
    for _ in 0..2 {
        drop(visit);
        visit = house.greet().await;
        let asked = visit.grants(json!({})).await;
        assert!(asked["since"].is_null());
        assert_eq!(gap(&mut news).await, (GapReason::NoHistory, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_answer_to_since_is_not_handed_out_twice() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let head = json!({"epoch": "e", "offset": 0});
    let mut news = follow(&client, &mut visit, "orders", Default::default(), head).await;
    drop(visit);
    let mut visit = house.greet().await;
    let asked = visit.hears_type("subscribe").await;
    // As when a subscription of before is still there: it comes again behind the answer.
    visit.tells("orders", Some(3), "three").await;
    visit
        .says(json!({"type": "subscribed", "channel": "orders", "id": asked["id"], "epoch": "e", "offset": 3, "recovered": true}))
        .await;
    for (offset, text) in [(1, "one"), (2, "two"), (3, "three")] {
        visit.tells("orders", Some(offset), text).await;
    }
    for expected in ["one", "two", "three"] {
        assert_eq!(data(&mut news).await, expected);
    }
    assert!(is_quiet(&mut news).await);
}

#[tokio::test(start_paused = true)]
async fn a_gap_with_a_range_is_filled_and_not_told() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let head = json!({"epoch": "e", "offset": 0});
    let mut news = follow(&client, &mut visit, "orders", Default::default(), head).await;
    visit.tells("orders", Some(1), "one").await;
    visit
        .says(json!({"type": "gap", "channel": "orders", "dropped": 2, "epoch": "e", "fromOffset": 2, "toOffset": 3}))
        .await;
    visit.tells("orders", Some(4), "four").await;
    let asked = visit.grants(json!({"epoch": "e", "offset": 4, "recovered": true})).await;
    assert_eq!(asked["since"], json!({"epoch": "e", "offset": 1}));
    for (offset, text) in [(2, "two"), (3, "three"), (4, "four")] {
        visit.tells("orders", Some(offset), text).await;
    }
    for expected in ["one", "two", "three", "four"] {
        assert_eq!(data(&mut news).await, expected);
    }
    assert!(is_quiet(&mut news).await);
}

#[tokio::test(start_paused = true)]
async fn a_gap_without_a_range_is_told() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let mut news = follow(&client, &mut visit, "prices", Default::default(), json!({})).await;
    visit.says(json!({"type": "gap", "channel": "prices", "dropped": 17})).await;
    assert_eq!(gap(&mut news).await, (GapReason::Dropped, 17));
    visit.tells("prices", None, "newest").await;
    assert_eq!(data(&mut news).await, "newest");
}

#[tokio::test(start_paused = true)]
async fn a_gap_of_another_epoch_is_told_and_what_is_there_is_fetched() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let head = json!({"epoch": "e", "offset": 40});
    let mut news = follow(&client, &mut visit, "orders", Default::default(), head).await;
    visit
        .says(json!({"type": "gap", "channel": "orders", "dropped": 0, "epoch": "f", "fromOffset": 1, "toOffset": 2}))
        .await;
    assert_eq!(gap(&mut news).await, (GapReason::NewEpoch, 0));
    let asked = visit.grants(json!({"epoch": "f", "offset": 2, "recovered": true})).await;
    assert_eq!(asked["since"], json!({"epoch": "f", "offset": 0}));
    for (offset, text) in [(1, "one"), (2, "two")] {
        visit.tells("orders", Some(offset), text).await;
    }
    assert_eq!((data(&mut news).await, data(&mut news).await), ("one".into(), "two".into()));
}

#[tokio::test(start_paused = true)]
async fn a_gap_of_all_channels_asks_those_with_a_position_again() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let mut news = follow(&client, &mut visit, "news", Default::default(), json!({})).await;
    let head = json!({"epoch": "e", "offset": 3});
    let mut orders = follow(&client, &mut visit, "orders", Default::default(), head).await;
    visit.says(json!({"type": "gap", "channel": "*", "dropped": 5})).await;
    assert_eq!(gap(&mut news).await, (GapReason::Dropped, 5));
    let asked = visit.grants(json!({"epoch": "e", "offset": 3, "recovered": true})).await;
    assert_eq!((&asked["channel"], &asked["since"]["offset"]), (&json!("orders"), &json!(3)));
    assert!(is_quiet(&mut orders).await);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_does_not_keep_up_misses_nothing_of_a_history() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let options = SubscribeOptions { messages_max: 2, ..SubscribeOptions::default() };
    let head = json!({"epoch": "e", "offset": 0});
    let mut slow = follow(&client, &mut visit, "orders", options, head).await;
    let mut quick = client.subscribe("orders").await.unwrap();
    for offset in 1..=5 {
        visit.tells("orders", Some(offset), &offset.to_string()).await;
    }
    for expected in ["1", "2", "3", "4", "5"] {
        assert_eq!(data(&mut quick).await, expected);
    }
    let mut got = vec![data(&mut slow).await, data(&mut slow).await];
    let rest = tokio::spawn(async move {
        got.extend([data(&mut slow).await, data(&mut slow).await]);
        let last = data(&mut slow).await;
        got.push(last);
        (got, is_quiet(&mut slow).await)
    });
    // It is asked for again as often as it must be, since where the slow one is.
    for since in [2, 4] {
        let asked = visit.grants(json!({"epoch": "e", "offset": 5, "recovered": true})).await;
        assert_eq!(asked["since"]["offset"], since);
        for offset in since + 1..=5 {
            visit.tells("orders", Some(offset), &offset.to_string()).await;
        }
    }
    assert_eq!(rest.await.unwrap(), (["1", "2", "3", "4", "5"].map(str::to_owned).to_vec(), true));
    assert!(is_quiet(&mut quick).await);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_does_not_keep_up_is_told_what_it_went_without() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let options = SubscribeOptions { messages_max: 2, ..SubscribeOptions::default() };
    let mut news = follow(&client, &mut visit, "news", options, json!({})).await;
    let mut pings = client.subscribe("news").await.unwrap();
    for number in 1..=5 {
        visit.tells("news", None, &number.to_string()).await;
        data(&mut pings).await;
    }
    assert_eq!((data(&mut news).await, data(&mut news).await), ("1".into(), "2".into()));
    assert_eq!(gap(&mut news).await, (GapReason::Slow, 3));
    visit.tells("news", None, "6").await;
    assert_eq!(data(&mut news).await, "6");
}

#[tokio::test(start_paused = true)]
async fn a_position_of_an_earlier_run_goes_on_from_there() {
    let (_house, client, mut visit) = connected(|it| it).await;
    let since = Position { epoch: "e".into(), offset: 7 };
    let options = SubscribeOptions { since: Some(since), ..SubscribeOptions::default() };
    let following = tokio::spawn({
        let client = client.clone();
        async move { client.subscribe_with("orders", options).await.unwrap() }
    });
    let asked = visit.grants(json!({"epoch": "e", "offset": 8, "recovered": true})).await;
    assert_eq!(asked["since"], json!({"epoch": "e", "offset": 7}));
    visit.tells("orders", Some(8), "eight").await;
    let mut news = following.await.unwrap();
    let Some(News::Message(message)) = news.next().await else { panic!("a message") };
    assert_eq!(message.position, Some(Position { epoch: "e".into(), offset: 8 }));
    // A later one that was further back makes the channel come again, for itself alone.
    let since = Position { epoch: "e".into(), offset: 6 };
    let options = SubscribeOptions { since: Some(since), ..SubscribeOptions::default() };
    let head = json!({"epoch": "e", "offset": 8, "recovered": true});
    let mut other = follow(&client, &mut visit, "orders", options, head).await;
    for (offset, text) in [(7, "seven"), (8, "eight"), (9, "nine")] {
        visit.tells("orders", Some(offset), text).await;
    }
    for expected in ["seven", "eight", "nine"] {
        assert_eq!(data(&mut other).await, expected);
    }
    assert_eq!(data(&mut news).await, "nine");
    // And one that cannot be had any more is told so.
    let since = Position { epoch: "before".into(), offset: 1 };
    let options = SubscribeOptions { since: Some(since), ..SubscribeOptions::default() };
    let head = json!({"epoch": "e", "offset": 9, "recovered": true});
    let mut late = follow(&client, &mut visit, "orders", options, head).await;
    assert_eq!(gap(&mut late).await.0, GapReason::NotRecovered);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_keep_up_costs_the_others_of_the_channel_nothing() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let head = json!({"epoch": "e", "offset": 0});
    let options = SubscribeOptions { messages_max: 1, ..Default::default() };
    let mut slow = follow(&client, &mut visit, "orders", options, head).await;
    let mut fast = client.subscribe("orders").await.unwrap();
    for (offset, text) in [(1, "one"), (2, "two"), (3, "three")] {
        visit.tells("orders", Some(offset), text).await;
        assert_eq!(data(&mut fast).await, text);
    }
    drop(visit);
    let mut visit = house.greet().await;
    let asked = visit.grants(json!({"epoch": "e", "offset": 4, "recovered": true})).await;
    assert_eq!(asked["since"]["offset"], 3, "from where the one is who can take it");
    visit.tells("orders", Some(4), "four").await;
    assert_eq!((data(&mut fast).await, data(&mut slow).await), ("four".into(), "one".into()));
    // Now it can take more, and what it lacks is no longer kept.
    let next = tokio::spawn(async move { gap(&mut slow).await });
    let asked = visit.grants(json!({"epoch": "e", "offset": 4, "recovered": false})).await;
    assert_eq!(asked["since"]["offset"], 1);
    assert_eq!(next.await.unwrap(), (GapReason::NotRecovered, 0));
    assert!(is_quiet(&mut fast).await, "it has everything");
}

#[tokio::test(start_paused = true)]
async fn what_one_subscriber_cannot_recover_another_may() {
    let (mut house, client, mut visit) = connected(|it| it).await;
    let at = |offset| SubscribeOptions {
        since: Some(Position { epoch: "e".into(), offset }),
        ..Default::default()
    };
    let granted = json!({"epoch": "e", "offset": 100, "recovered": true});
    let mut near = follow(&client, &mut visit, "orders", at(100), granted.clone()).await;
    let mut far = follow(&client, &mut visit, "orders", at(5), granted).await;
    drop(visit);
    let mut visit = house.greet().await;
    let asked = visit.grants(json!({"epoch": "e", "offset": 102, "recovered": false})).await;
    assert_eq!(asked["since"]["offset"], 5);
    assert_eq!(gap(&mut far).await, (GapReason::NotRecovered, 0));
    let asked = visit.grants(json!({"epoch": "e", "offset": 102, "recovered": true})).await;
    assert_eq!(asked["since"]["offset"], 100);
    for (offset, text) in [(101, "a"), (102, "b"), (103, "c")] {
        visit.tells("orders", Some(offset), text).await;
    }
    for text in ["a", "b", "c"] {
        assert_eq!(data(&mut near).await, text);
    }
    assert_eq!(data(&mut far).await, "c");
    assert!(is_quiet(&mut near).await && is_quiet(&mut far).await);
}
