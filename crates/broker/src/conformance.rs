//! What every engine must do, as tests: one for each sentence of [`Engine`]'s contract.
//!
//! An engine's test file says how its nodes are made, and names the cases:
//!
//! ```ignore
//! // tests/conformance.rs of an engine with a server
//! use std::sync::Arc;
//! use ws_broker::{Engine, conformance::{Fixture, Needs, Server, Wait}};
//!
//! struct Redises { server: Arc<TestServer> }
//!
//! impl Fixture for Redises {
//!     // Not started, and perhaps not connected yet: the suite calls `start` and waits for `Up`.
//!     fn node<'a>(&'a self, prefix: &'a str) -> Wait<'a, Arc<dyn Engine>> {
//!         Box::pin(async move { Arc::new(Redis::connect(config(&self.server, prefix))) as _ })
//!     }
//!     fn server(&self) -> Option<&dyn Server> { Some(&*self.server) }
//! }
//!
//! // Once for each case. `Needs::Nothing`: a server that other cases use as well will do, as each case
//! // has prefixes of its own. `Needs::OwnServer`: the case stops and pauses it.
//! async fn open(needs: Needs) -> Redises { … }
//!
//! ws_broker::conformance_suite!(open);
//! ```
//!
//! Each case is a `#[test]` of its own with its own runtime: the crate needs `ws-broker` with the
//! feature `conformance` as a dev-dependency, and nothing else. `conformance_suite!(one node, open)` leaves
//! out what takes several nodes or a server: it is for engines that are not
//! [shared](Engine::is_shared).
//!
//! What an engine may do in its own way is not asked: whether a node hears its own messages, where offsets have
//! holes, whether another [`Keep`](crate::Keep) makes another log, what is complete behind removed entries.

use std::{pin::Pin, sync::Arc, time::Duration};

use crate::Engine;

pub use self::stage::Stage;

mod heard;
mod stage;

pub mod appending;
pub mod between_nodes;
pub mod following;
pub mod names;
pub mod outages;
pub mod reading;
pub mod records;
pub mod topics;

/// What takes a while.
pub type Wait<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How nodes of an engine are made.
pub trait Fixture: Send + Sync {
    /// Another node, not started yet. Nodes with the same prefix are behind the same topics, logs and
    /// records; those with another do not meet them.
    fn node<'a>(&'a self, prefix: &'a str) -> Wait<'a, Arc<dyn Engine>>;

    /// Lets time pass by the engine's clock: an engine whose clock can be moved does not wait.
    fn pass(&self, time: Duration) -> Wait<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }

    /// The server behind all nodes of this fixture; none for an engine that lives in this process.
    fn server(&self) -> Option<&dyn Server> {
        None
    }
}

/// A server that can be taken away. What it has on disk stays there.
pub trait Server: Send + Sync {
    /// Ends it as a crash does: connections break. Done when it is gone.
    fn stop(&self) -> Wait<'_, ()>;

    /// Starts it again where it was. Done when it takes connections.
    fn start(&self) -> Wait<'_, ()>;

    /// Whether it can be paused.
    fn can_pause(&self) -> bool {
        true
    }

    /// Lets it do nothing, while its connections stay (`SIGSTOP`).
    fn pause(&self);

    /// Lets it go on (`SIGCONT`).
    fn resume(&self);
}

/// What a case does with its fixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// It makes nodes.
    Nothing,
    /// It stops and pauses the server as well.
    OwnServer,
}

/// Runs one case; [`conformance_suite`](crate::conformance_suite) calls it.
///
/// # Panics
///
/// If the engine does not do what it must.
pub fn run(
    open: impl AsyncFnOnce(Needs) -> Box<dyn Fixture>,
    needs: Needs,
    case: impl AsyncFnOnce(Stage),
) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(async { case(Stage::new(open(needs).await)).await }),
        Err(error) => panic!("a runtime for the case: {error}"),
    }
}

/// Makes a test of each case; see [`conformance`](crate::conformance).
#[macro_export]
macro_rules! conformance_suite {
    (one node, $open:expr) => {
        async fn conformance_fixture(
            needs: $crate::conformance::Needs,
        ) -> Box<dyn $crate::conformance::Fixture> {
            Box::new(($open)(needs).await)
        }

        $crate::conformance_cases!(Nothing, appending:
            offsets_grow_and_epochs_stay
            an_event_is_appended_once
            what_is_too_old_is_gone
        );
        $crate::conformance_cases!(Nothing, following:
            entries_come_in_order_with_what_was_before_them
            what_is_unfollowed_stops_coming
        );
        $crate::conformance_cases!(Nothing, names:
            odd_names_do_not_meet
            prefixes_do_not_meet
        );
        $crate::conformance_cases!(Nothing, reading:
            pages_follow_each_other
        );
        $crate::conformance_cases!(Nothing, records:
            a_record_is_changed_by_who_knows_its_revision
        );
    };
    ($open:expr) => {
        $crate::conformance_suite!(one node, $open);
        $crate::conformance_cases!(Nothing, topics:
            messages_arrive_in_their_order_each_once
        );
        $crate::conformance_cases!(Nothing, between_nodes:
            appends_of_two_nodes_have_one_order_that_both_see
        );
        $crate::conformance_cases!(OwnServer, outages:
            calls_fail_at_once_while_the_server_is_away
        );
    };
}

/// Makes tests of the cases of one module.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($needs:ident, $module:ident: $($case:ident)+) => {
        mod $module {$(
            #[test]
            fn $case() {
                $crate::conformance::run(
                    super::conformance_fixture,
                    $crate::conformance::Needs::$needs,
                    $crate::conformance::$module::$case,
                );
            }
        )+}
    };
}
