//! The suite can fail: engines that get one thing wrong are caught, each by the case that asks for it.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, LazyLock},
    time::Duration,
};

use ws_broker::{
    Engine, MemoryCluster,
    conformance::{
        self, Fixture, Needs, Server, Stage, Wait, appending, asking, between_nodes, following,
        keeping, names, outages, reading, records, removing, topics,
    },
};

mod engine;

use engine::{Fault, Faulty};

/// Nodes of one cluster that all get the same thing wrong.
struct Wrong {
    cluster: MemoryCluster,
    fault: Option<Fault>,
}

impl Fixture for Wrong {
    fn node<'a>(&'a self, _prefix: &'a str) -> Wait<'a, Arc<dyn Engine>> {
        let node: Arc<dyn Engine> = match self.fault {
            Some(fault) => Arc::new(Faulty::new(self.cluster.node(), fault)),
            None => self.cluster.node(),
        };
        Box::pin(std::future::ready(node))
    }

    fn pass(&self, time: Duration) -> Wait<'_, ()> {
        self.cluster.advance(time);
        Box::pin(std::future::ready(()))
    }

    /// What an engine in this process does not do at once it does not do.
    fn patience(&self) -> Duration {
        Duration::from_millis(300)
    }

    fn server(&self) -> Option<&dyn Server> {
        Some(self)
    }
}

impl Server for Wrong {
    fn stop(&self) -> Wait<'_, ()> {
        self.cluster.set_down("stopped");
        Box::pin(std::future::ready(()))
    }

    fn start(&self) -> Wait<'_, ()> {
        self.cluster.set_up();
        Box::pin(std::future::ready(()))
    }
}

thread_local! {
    /// Whether a panic says what was to be shown.
    static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Says nothing of panics that are expected: their traces take longer than the cases.
static HOOK: LazyLock<()> = LazyLock::new(|| {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !IS_EXPECTED.get() {
            others(panic);
        }
    }));
});

/// Whether the case passes.
fn passes(fault: Option<Fault>, case: impl AsyncFnOnce(Stage)) -> bool {
    let open = async move |_: Needs| {
        let wrong = Wrong { cluster: MemoryCluster::new(), fault };
        Box::new(wrong) as Box<dyn Fixture>
    };
    let run = AssertUnwindSafe(|| conformance::run(open, Needs::OwnServer, case));
    LazyLock::force(&HOOK);
    IS_EXPECTED.set(fault.is_some());
    let passes = panic::catch_unwind(run).is_ok();
    IS_EXPECTED.set(false);
    passes
}

/// The case passes with an engine in good order, and not with one that has this fault.
macro_rules! caught {
    ($($name:ident: $fault:ident by $($case:path),+;)+) => {$(
        #[test]
        fn $name() {
            $(
                assert!(passes(None, $case), "{} with an engine in good order", stringify!($case));
                assert!(!passes(Some(Fault::$fault), $case), "{} notices nothing", stringify!($case));
            )+
        }
    )+};
}

caught! {
    lost_messages_are_noticed: LosesMessages by
        topics::messages_arrive_in_their_order_each_once;
    doubled_messages_are_noticed: DoublesMessages by
        topics::messages_arrive_in_their_order_each_once, topics::odd_names_of_topics_do_not_meet;
    swapped_messages_are_noticed: SwapsMessages by
        topics::messages_arrive_in_their_order_each_once,
        topics::nodes_that_publish_at_once_keep_their_orders;
    messages_after_unsubscribing_are_noticed: NeverLeaves by
        topics::what_is_unsubscribed_stops_coming_until_it_is_subscribed_again,
        topics::subscribing_twice_is_the_same_as_once,
        following::what_is_unfollowed_stops_coming;
    subscriptions_that_are_counted_are_noticed: CountsSubscriptions by
        topics::subscribing_twice_is_the_same_as_once, following::following_twice_is_the_same_as_once;
    a_listener_told_many_things_at_once_is_noticed: TellsFromManyThreads by
        topics::a_listener_is_told_one_thing_at_a_time;
    events_that_are_appended_twice_are_noticed: IgnoresEvents by
        appending::an_event_is_appended_once, between_nodes::an_event_of_two_nodes_is_appended_once;
    names_of_events_that_are_trimmed_are_noticed: TrimsEvents by
        appending::odd_names_of_events_do_not_meet;
    names_without_case_are_noticed: IgnoresCase by
        names::odd_names_of_logs_do_not_meet, names::odd_keys_of_records_do_not_meet,
        topics::odd_names_of_topics_do_not_meet;
    names_that_are_cut_are_noticed: CutsNames by
        names::odd_names_of_logs_do_not_meet, topics::odd_names_of_topics_do_not_meet;
    pages_that_always_claim_to_be_complete_are_noticed: AlwaysComplete by
        keeping::what_went_is_known_to_be_missing, keeping::what_is_too_old_is_gone,
        reading::a_place_that_is_still_to_come_is_not_complete;
    pages_that_never_claim_to_be_complete_are_noticed: NeverComplete by
        reading::what_is_kept_is_complete, reading::a_log_without_entries_is_complete,
        keeping::a_log_of_which_all_is_too_old_is_where_it_was;
    pages_without_limits_are_noticed: IgnoresLimits by
        reading::pages_follow_each_other, reading::pages_are_no_larger_than_they_may_be,
        reading::limits_of_nothing_tell_where_the_log_is;
    an_epoch_for_each_answer_is_noticed: ManyEpochs by
        appending::offsets_grow_and_epochs_stay, reading::a_log_without_entries_is_complete;
    gaps_that_do_not_show_are_noticed: ForgetsWhatWasBefore by
        following::entries_come_in_order_with_what_was_before_them,
        following::what_comes_first_names_what_was_there;
    lost_entries_are_noticed: LosesEntries by
        between_nodes::what_was_appended_is_there_for_all,
        between_nodes::appends_of_two_nodes_have_one_order_that_both_see;
    too_many_entries_are_noticed: KeepsMore by keeping::the_oldest_goes_when_there_are_too_many;
    entries_without_end_are_noticed: KeepsForEver by keeping::what_is_too_old_is_gone;
    an_inbox_that_drops_is_noticed: NeverRefuses by
        keeping::a_full_log_refuses_until_something_is_taken_out;
    entries_that_stay_are_noticed: RemovesNothing by
        removing::what_is_removed_is_gone_and_the_rest_stays,
        between_nodes::what_one_removes_is_gone_for_the_other;
    changes_that_get_lost_are_noticed: PutsBlindly by
        records::a_record_is_changed_by_who_knows_its_revision,
        records::of_many_who_create_a_record_one_does;
    revisions_made_of_values_are_noticed: RevisionsOfValues by records::no_revision_comes_twice;
    keys_found_by_patterns_are_noticed: KeysByPattern by records::keys_are_found_by_how_they_begin;
    questions_that_wait_to_be_awaited_are_noticed: AsksWhenAwaited by
        asking::what_is_not_awaited_is_done,
        asking::calls_are_done_in_the_order_in_which_they_are_made;
    messages_kept_for_later_are_noticed: KeepsForLater by
        outages::calls_fail_at_once_and_are_not_kept_for_later;
    messages_that_vanish_while_it_is_away_are_noticed: SwallowsWhileAway by
        outages::calls_fail_at_once_and_are_not_kept_for_later;
    what_is_not_followed_again_is_noticed: FollowsOnce by
        outages::what_was_followed_is_followed_again_before_it_is_up;
    logs_that_come_back_without_their_entries_are_noticed: LosesLogsInOutages by
        outages::what_was_acknowledged_is_there_or_the_epoch_is_another;
}
