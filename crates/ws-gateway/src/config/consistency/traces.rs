//! What must fit together of traces.

use super::Checks;
use crate::config::{form::header_list, resolved::Config};

impl Checks<'_> {
    pub(super) fn check_traces(&mut self, config: &Config) {
        let traces = &config.traces;
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
