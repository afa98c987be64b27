//! Random operations of many clients against a simple reference that says who must hear what, in which
//! order.

mod operations;
mod reference;
mod stage;

use proptest::prelude::*;

use operations::{Operation, Request, operations};
use stage::Stage;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn every_client_hears_what_the_reference_says_and_nothing_else(
        operations in operations(80),
    ) {
        perform(&operations);
    }
}

/// On a stage of its own.
fn perform(operations: &[Operation]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut stage = Stage::open();
        for (step, operation) in operations.iter().enumerate() {
            stage.perform(step, operation).await;
        }
        stage.clear().await;
    });
}

#[test]
fn one_of_each_operation_is_as_the_reference_says() {
    let watch = |channel| Request::Subscribe { channel, watch: true };
    let publish = |channel, event| Request::Publish { channel, event };
    perform(&[
        Operation::Connect(0),
        Operation::Connect(4),
        Operation::Connect(1),
        Operation::Say(0, vec![watch(0), watch(3), Request::Join(3), publish(0, None)]),
        Operation::Say(4, vec![Request::Join(3), Request::RoomMessage(3), Request::Typing(3)]),
        Operation::Say(1, vec![watch(3), publish(0, Some(1)), publish(3, Some(1))]),
        Operation::Bulletin(3, Some(1)),
        Operation::Broadcast,
        Operation::SendToUser(0),
        Operation::OrderIn(1, 4),
        Operation::Say(1, vec![Request::Chat(0), Request::Chat(2), Request::RoomMessage(4)]),
        Operation::Vanish(0),
        Operation::Close(4),
        Operation::Pass(3),
        Operation::Connect(0),
        Operation::Say(0, vec![Request::Join(3), Request::LeaveRoom(3), Request::Typing(3)]),
        Operation::OrderOut(1, 4),
        Operation::Vanish(1),
        Operation::Pass(2),
        Operation::Pass(1),
    ]);
}

#[test]
fn users_whose_grace_ends_at_the_same_instant_are_told_one_after_the_other() {
    let enter = |watch| vec![Request::Subscribe { channel: 4, watch }];
    perform(&[
        Operation::Connect(2),
        Operation::Connect(7),
        Operation::Connect(1),
        Operation::Say(2, enter(false)),
        Operation::Say(1, enter(false)),
        Operation::Say(7, enter(true)),
        Operation::Close(2),
        Operation::Vanish(1),
        Operation::Pass(3),
    ]);
}
