//! What is permitted and does nothing, or too much.

use super::{SECRET, check_accepted};

#[test]
fn a_lifetime_of_less_than_a_minute_and_a_margin_without_other_nodes_are_told() {
    for (variable, part) in [
        (("CONNECTION_LIFETIME_MAX", "59s"), "each client connects anew that often"),
        (("CONNECTION_LIFETIME_MAX", "1m"), ""),
        (("REBALANCE_MARGIN", "20"), "does nothing without an engine"),
    ] {
        check_accepted(&[], &[SECRET, variable], part);
    }
    let redis = ("REDIS_URL", "redis://127.0.0.1");
    check_accepted(&[], &[SECRET, ("REBALANCE_MARGIN", "20"), redis], "");
}

#[test]
fn a_collector_that_is_named_as_for_another_protocol_is_told() {
    for (endpoint, part) in [
        ("http://127.0.0.1:4318", ""),
        ("http://127.0.0.1:4318/v1/traces", "put behind it once more"),
        ("http://127.0.0.1:4318/otlp/v1/traces/", "put behind it once more"),
        ("http://collector:4317", "4318"),
    ] {
        check_accepted(&[], &[SECRET, ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)], part);
    }
}
