//! The settings of traces, by the names that OpenTelemetry has for them.

use crate::config::form::hook;
use crate::config::quantity::MINUTE;
use crate::config::setting::{Kind, Reload, Section, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "OTEL_EXPORTER_OTLP_ENDPOINT",
        section: Section::Traces,
        reload: Reload::Restart,
        kind: Kind::Text(
            "an http or https address without user, password and query, such as http://127.0.0.1:4318",
            |c, text| !text.contains('?') && hook(text, &mut c.traces.endpoint),
        ),
        default: "",
        doc: "The collector that is told of traces, at `/v1/traces` behind this",
    },
    Setting {
        env: "OTEL_EXPORTER_OTLP_HEADERS",
        section: Section::Traces,
        reload: Reload::Restart,
        kind: Kind::Secret(|c, headers| c.traces.headers = headers),
        default: "",
        doc: "Headers for the collector, such as `api-key=…`; several with commas between them",
    },
    Setting {
        env: "OTEL_EXPORTER_OTLP_TIMEOUT",
        section: Section::Traces,
        reload: Reload::Restart,
        kind: Kind::Duration(1..=MINUTE, |c, time| c.traces.timeout = time),
        default: "10000",
        doc: "How long the collector may take to answer",
    },
    Setting {
        env: "OTEL_SERVICE_NAME",
        section: Section::Traces,
        reload: Reload::Restart,
        kind: Kind::Text("a name", |c, text| {
            text.clone_into(&mut c.traces.service_name);
            !text.trim().is_empty()
        }),
        default: "ws-gateway",
        doc: "What the gateway is called there",
    },
    Setting {
        env: "OTEL_RESOURCE_ATTRIBUTES",
        section: Section::Traces,
        reload: Reload::Restart,
        kind: Kind::List("pairs such as deployment.environment=live", |c, text| {
            let pair = text.split_once('=').filter(|(name, _)| !name.trim().is_empty());
            let pair = pair.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
            c.traces.resource.extend(pair.clone());
            pair.is_some()
        }),
        default: "",
        doc: "What else is said of the gateway there",
    },
    Setting {
        env: "OTEL_TRACES_SAMPLER",
        section: Section::Traces,
        reload: Reload::Restart,
        kind: Kind::Word(&[
            ("parentbased_always_on", |c| c.traces.sampler = "parentbased_always_on"),
            ("parentbased_always_off", |c| c.traces.sampler = "parentbased_always_off"),
            ("parentbased_traceidratio", |c| c.traces.sampler = "parentbased_traceidratio"),
            ("always_on", |c| c.traces.sampler = "always_on"),
            ("always_off", |c| c.traces.sampler = "always_off"),
            ("traceidratio", |c| c.traces.sampler = "traceidratio"),
        ]),
        default: "parentbased_always_on",
        doc: "Which traces are recorded; `parentbased_…` follows whoever began one",
    },
    Setting {
        env: "OTEL_TRACES_SAMPLER_ARG",
        section: Section::Traces,
        reload: Reload::Restart,
        kind: Kind::Text("a share from 0 to 1, such as 0.01", |c, text| {
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            share.inspect(|share| c.traces.ratio = *share).is_some()
        }),
        default: "1",
        doc: "The share that `traceidratio` records",
    },
    Setting {
        env: "OTEL_BSP_MAX_QUEUE_SIZE",
        section: Section::Traces,
        reload: Reload::Restart,
        kind: Kind::Integer(1..=1_000_000, |c, n| c.traces.queue_max = n as usize),
        default: "2048",
        doc: "How many spans may wait for the collector; more are dropped and counted",
    },
    Setting {
        env: "OTEL_BSP_SCHEDULE_DELAY",
        section: Section::Traces,
        reload: Reload::Restart,
        kind: Kind::Duration(1..=MINUTE, |c, time| c.traces.delay = time),
        default: "5000",
        doc: "How long spans are collected to be sent together",
    },
    Setting {
        env: "TRACES_PER_SECOND_MAX",
        section: Section::Traces,
        reload: Reload::Restart,
        kind: Kind::Integer(1..=1_000_000, |c, n| c.traces.per_second_max = n),
        default: "100",
        doc: "How many upgrades and messages are recorded within a second at most, whoever asks for it",
    },
];
