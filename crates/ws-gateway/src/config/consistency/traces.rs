//! What must fit together of traces.

use super::Checks;
use crate::config::{form::header_list, resolved::Config};

impl Checks<'_> {
    pub(super) fn check_traces(&mut self, config: &Config) {
        let traces = &config.traces;
        let endpoint = traces.endpoint.as_ref();
        if endpoint.is_some_and(|it| it.path().trim_end_matches('/').ends_with("/v1/traces")) {
            self.warnings.push(
                "OTEL_EXPORTER_OTLP_ENDPOINT ends with /v1/traces, which is put behind it once more: the address                  of the collector is enough"
                    .to_owned(),
            );
        }
        if endpoint.is_some_and(|it| it.port_u16() == Some(4317)) {
            self.warnings.push(
                "OTEL_EXPORTER_OTLP_ENDPOINT has port 4317, where collectors speak gRPC; OTLP over HTTP is at 4318                  unless yours says otherwise"
                    .to_owned(),
            );
        }
        let Some(headers) = &traces.headers else { return };
        // By itself a secret is any text: what is wrong with it is said here, without the text.
        if header_list(headers.expose()).is_none() {
            let accepted = "headers of HTTP as name=value, several with commas between them";
            self.fault("OTEL_EXPORTER_OTLP_HEADERS", accepted);
        } else if traces.endpoint.is_none() {
            self.warnings.push(
                "OTEL_EXPORTER_OTLP_HEADERS does nothing without OTEL_EXPORTER_OTLP_ENDPOINT"
                    .to_owned(),
            );
        }
    }
}
