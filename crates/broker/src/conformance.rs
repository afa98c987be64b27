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
//! async fn open(needs: Needs) -> Redises {
//!     Redises { server: if needs == Needs::OwnServer { another() } else { the_common_one() } }
//! }
//!
//! ws_broker::conformance_suite!(open);
//! ```
//!
//! Each case is a `#[test]` of its own with its own runtime: the crate needs `ws-broker` with the
//! feature `conformance` as a dev-dependency, and nothing else. `conformance_suite!(one node, open)` leaves
//! out what takes several nodes or a server: it is for engines that are not
//! [shared](Engine::is_shared). `conformance_suite!(no pause, open)` is for a server that can be stopped and
//! not be paused.
//!
//! What an engine may do in its own way is not asked: whether a node hears its own messages, where offsets have
//! holes, whether another [`Keep`](crate::Keep) makes another log, what is complete behind removed entries.

use std::{pin::Pin, sync::Arc, time::Duration};

use crate::Engine;

pub use self::stage::Stage;

mod heard;
mod stage;

pub mod appending;
pub mod asking;
pub mod between_nodes;
pub mod following;
pub mod keeping;
pub mod names;
pub mod outages;
pub mod pauses;
pub mod payloads;
pub mod reading;
pub mod records;
pub mod removing;
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

    /// After so long, what has not come does not come. Generous, as machines that test are busy.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
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

    /// Lets it do nothing, while its connections stay (`SIGSTOP`).
    fn pause(&self) {
        panic!("this server cannot be paused: take `conformance_suite!(no pause, …)`");
    }

    /// Lets it go on (`SIGCONT`). It may have been stopped in between.
    fn resume(&self) {}
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
            logs_do_not_disturb_each_other
            entries_carry_their_time
            an_event_is_appended_once
            odd_names_of_events_do_not_meet
            an_event_is_known_when_its_entry_is_gone
            the_name_of_an_event_is_forgotten_after_its_window
        );
        $crate::conformance_cases!(Nothing, asking:
            a_node_at_work_says_what_it_is
            what_is_not_awaited_is_done
            calls_are_done_in_the_order_in_which_they_are_made
            answers_wait_until_they_are_taken
        );
        $crate::conformance_cases!(Nothing, following:
            entries_come_in_order_with_what_was_before_them
            what_comes_first_names_what_was_there
            what_was_before_is_named_when_it_is_gone
            following_twice_is_the_same_as_once
            what_is_unfollowed_stops_coming
            what_is_left_and_followed_at_once_is_followed
        );
        $crate::conformance_cases!(Nothing, keeping:
            the_oldest_goes_when_there_are_too_many
            what_went_is_known_to_be_missing
            what_is_too_old_is_gone
            a_log_of_which_all_is_too_old_is_where_it_was
            a_full_log_refuses_until_something_is_taken_out
            a_full_log_takes_more_when_something_is_too_old
            each_log_is_kept_as_it_says
            bounds_may_be_large
        );
        $crate::conformance_cases!(Nothing, names:
            odd_names_of_logs_do_not_meet
            odd_keys_of_records_do_not_meet
            names_of_logs_topics_and_records_do_not_meet
            prefixes_do_not_meet
        );
        $crate::conformance_cases!(Nothing, payloads:
            entries_are_as_they_were_appended
            records_are_as_they_were_put
        );
        $crate::conformance_cases!(Nothing, reading:
            pages_follow_each_other
            a_log_that_grows_is_read_to_its_end
            pages_are_no_larger_than_they_may_be
            limits_of_nothing_tell_where_the_log_is
            a_log_without_entries_is_complete
            what_is_kept_is_complete
            a_place_that_is_still_to_come_is_not_complete
            reading_twice_gives_the_same
        );
        $crate::conformance_cases!(Nothing, records:
            a_record_is_changed_by_who_knows_its_revision
            a_record_is_taken_away_by_who_knows_its_revision
            no_revision_comes_twice
            no_change_is_lost_when_many_change_at_once
            of_many_who_create_a_record_one_does
            keys_are_found_by_how_they_begin
            keys_are_those_of_records_alone
        );
        $crate::conformance_cases!(Nothing, removing:
            what_is_removed_is_gone_and_the_rest_stays
            no_offset_is_given_twice
        );
    };
    (no pause, $open:expr) => {
        $crate::conformance_suite!(one node, $open);
        $crate::conformance_cases!(Nothing, between_nodes:
            an_engine_with_several_nodes_says_so
            appends_of_two_nodes_have_one_order_that_both_see
            what_was_appended_is_there_for_all
            nothing_is_missed_once_a_log_is_followed
            one_node_unfollows_and_the_other_goes_on
            an_event_of_two_nodes_is_appended_once
            what_one_removes_is_gone_for_the_other
            no_change_is_lost_between_nodes
            nodes_come_and_go
        );
        $crate::conformance_cases!(Nothing, topics:
            messages_arrive_in_their_order_each_once
            nodes_that_publish_at_once_keep_their_orders
            a_node_hears_itself_at_most_once
            subscribing_twice_is_the_same_as_once
            what_is_unsubscribed_stops_coming_until_it_is_subscribed_again
            what_is_left_and_subscribed_at_once_is_subscribed
            what_nobody_takes_is_no_error
            odd_names_of_topics_do_not_meet
            payloads_of_messages_arrive_whole
            a_listener_is_told_one_thing_at_a_time
        );
        $crate::conformance_cases!(OwnServer, outages:
            calls_fail_at_once_and_are_not_kept_for_later
            what_was_followed_is_followed_again_before_it_is_up
            what_is_left_meanwhile_is_not_followed_again
            a_node_that_comes_first_waits_for_the_server
            what_was_acknowledged_is_there_or_the_epoch_is_another
            no_revision_comes_twice_after_an_outage
            messages_through_an_outage_come_at_most_once_in_order
            events_through_an_outage_are_appended_once
        );
    };
    ($open:expr) => {
        $crate::conformance_suite!(no pause, $open);
        $crate::conformance_cases!(OwnServer, pauses:
            a_call_to_a_paused_server_is_answered
            what_was_on_its_way_is_not_known
            what_waits_for_a_paused_server_is_bounded
            a_short_pause_loses_nothing_that_was_acknowledged
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

#[cfg(test)]
mod tests {
    /// The suite itself, and the files with its cases.
    const SUITE: &str = include_str!("conformance.rs");
    const CASES: [&str; 13] = [
        include_str!("conformance/appending.rs"),
        include_str!("conformance/asking.rs"),
        include_str!("conformance/between_nodes.rs"),
        include_str!("conformance/following.rs"),
        include_str!("conformance/keeping.rs"),
        include_str!("conformance/names.rs"),
        include_str!("conformance/outages.rs"),
        include_str!("conformance/pauses.rs"),
        include_str!("conformance/payloads.rs"),
        include_str!("conformance/reading.rs"),
        include_str!("conformance/records.rs"),
        include_str!("conformance/removing.rs"),
        include_str!("conformance/topics.rs"),
    ];

    #[test]
    fn each_case_is_in_the_suite() {
        let listed: Vec<&str> = SUITE.lines().map(str::trim).collect();
        for line in CASES.iter().flat_map(|file| file.lines()) {
            if let Some((name, _)) =
                line.strip_prefix("pub async fn ").and_then(|rest| rest.split_once('('))
            {
                assert!(listed.contains(&name), "{name} is not run by anybody");
            }
        }
    }
}
