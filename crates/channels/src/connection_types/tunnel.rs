//! The address of a tunnel with places for the parameters of a URL: `{host}:22`.

use super::path::PathPattern;
use crate::TypeError;

/// What stands before, between and behind the parameters, and which those are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TunnelTemplate(Box<[Part]>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    /// The index of the parameter.
    Value(usize),
}

impl TunnelTemplate {
    pub(super) fn parse(text: &str, path: &PathPattern) -> Result<Self, TypeError> {
        let unreadable = || TypeError::Tunnel { text: text.into() };
        // A port, or a parameter that may be one, stands behind the last colon.
        let is_address = text.rsplit_once(':').is_some_and(|(host, port)| {
            let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
            !host.is_empty() && (is_port || (port.starts_with('{') && port.ends_with('}')))
        });
        if !is_address || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(unreadable());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once('{') {
            let (name, behind) = behind.split_once('}').ok_or_else(unreadable)?;
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            let index = path.parameter(name);
            let index = index.ok_or_else(|| TypeError::UnknownParameter { name: name.into() })?;
            parts.push(Part::Value(index));
            rest = behind;
        }
        if rest.contains('}') {
            return Err(unreadable());
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        Ok(Self(parts.into()))
    }

    pub(super) fn address(&self, values: &[Box<str>]) -> String {
        let pieces = self.0.iter().map(|part| match part {
            Part::Literal(literal) => &**literal,
            Part::Value(index) => values.get(*index).map_or("", |value| &**value),
        });
        pieces.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnectionTypeSpec, ConnectionTypes};

    fn compile(path: &str, tunnel: &str) -> Result<ConnectionTypes, TypeError> {
        let spec = ConnectionTypeSpec {
            path: path.into(),
            tunnel: Some(tunnel.into()),
            ..ConnectionTypeSpec::default()
        };
        ConnectionTypes::compile(&[spec]).map_err(|mut faults| faults.remove(0).error)
    }

    #[test]
    fn the_values_of_the_url_stand_in_the_address() {
        for (pattern, tunnel, path, address) in [
            ("/tunnel/ssh", "127.0.0.1:22", "/tunnel/ssh", "127.0.0.1:22"),
            ("/tunnel/ssh", "[::1]:22", "/tunnel/ssh", "[::1]:22"),
            ("/t/{host}", "{host}:22", "/t/db.internal", "db.internal:22"),
            ("/t/{host}/{port}", "{host}:{port}", "/t/db/5432", "db:5432"),
            ("/t/{name}", "{name}.internal:22", "/t/a%3A1", "a:1.internal:22"),
        ] {
            let types = compile(pattern, tunnel).unwrap();
            let target = types.target(path).unwrap().unwrap();
            assert!(target.kind().is_tunnel());
            assert_eq!(target.tunnel().as_deref(), Some(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let unreadable = |text: &str| TypeError::Tunnel { text: text.into() };
        for text in
            ["", "ssh", ":22", "host:", "host:0", "host:70000", "{host:22", "host}:22", "a b:1"]
        {
            assert_eq!(compile("/t/{host}", text).unwrap_err(), unreadable(text), "{text}");
        }
        let unknown = TypeError::UnknownParameter { name: "port".into() };
        assert_eq!(compile("/t/{host}", "{host}:{port}").unwrap_err(), unknown);
    }

    #[test]
    fn a_tunnel_is_in_no_channel() {
        let spec = ConnectionTypeSpec {
            path: "/t".into(),
            channels: vec!["news".into()],
            tunnel: Some("127.0.0.1:22".into()),
            ..ConnectionTypeSpec::default()
        };
        let faults = ConnectionTypes::compile(&[spec]).unwrap_err();
        assert_eq!(faults[0].error, TypeError::TunnelInChannels);
    }
}
