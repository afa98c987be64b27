//! Dependencies between our crates point down, never sideways or up.

use super::{Finding, House};
use crate::workspace::{Kind, Member};

pub(super) fn dependencies_point_down(house: &House) -> Vec<Finding> {
    let unplaced =
        house.members.iter().filter(|member| member.is_crate() && member.layer.is_none());
    let unplaced = unplaced.map(|member| {
        let message = "no layer; say `[package.metadata.gateway] layer = N` as the design has it";
        Finding::new(&member.manifest(), 1, message)
    });
    unplaced.chain(house.members.iter().flat_map(|member| misdirected(house, member))).collect()
}

fn misdirected(house: &House, member: &Member) -> Vec<Finding> {
    let findings = member.dependencies.iter().filter_map(|dependency| {
        let target = house.members.iter().find(|other| other.name == dependency.name)?;
        let message = match (dependency.kind, member.layer, target.layer) {
            // Tests may use whatever is above them.
            (Kind::Dev, _, _) => return None,
            (_, Some(own), Some(theirs)) if theirs < own => return None,
            (_, None, Some(_)) => return None,
            (_, Some(own), Some(theirs)) => format!(
                "layer {own} depends on `{}` of layer {theirs}; a dependency points down to a \
                 lower layer, or is a dev-dependency",
                target.name
            ),
            (_, _, None) => format!(
                "depends on `{}`, which has no layer because nothing may depend on it",
                target.name
            ),
        };
        let manifest = member.manifest();
        let line = house.tree.file(&manifest).map_or(1, |file| file.line_of(&dependency.name));
        Some(Finding::new(&manifest, line, message))
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn member(name: &str, layer: Option<u64>, dependencies: &[(&str, Kind)]) -> Member {
        let dependency =
            |(name, kind): &(&str, Kind)| Dependency { name: (*name).to_owned(), kind: *kind };
        let folder = if layer.is_some() { format!("crates/{name}") } else { name.to_owned() };
        Member {
            name: name.to_owned(),
            folder,
            layer,
            dependencies: dependencies.iter().map(dependency).collect(),
            ..Member::default()
        }
    }

    #[test]
    fn an_edge_is_judged_by_its_layers_and_its_kind() {
        use Kind::{Build, Dev, Normal};
        for (from, kind, to, complaint) in [
            (Some(2), Normal, Some(1), None),
            (Some(2), Normal, Some(0), None),
            (Some(2), Normal, Some(2), Some("layer 2 depends on `to` of layer 2")),
            (Some(1), Normal, Some(3), Some("layer 1 depends on `to` of layer 3")),
            (Some(1), Build, Some(3), Some("layer 1 depends on `to` of layer 3")),
            (Some(1), Dev, Some(3), None),
            (Some(1), Dev, Some(1), None),
            (None, Normal, Some(4), None),
            (Some(4), Normal, None, Some("depends on `to`, which has no layer")),
            (None, Normal, None, Some("depends on `to`, which has no layer")),
        ] {
            let members = vec![
                member("from", from, &[("to", kind), ("serde", Normal)]),
                member("to", to, &[]),
            ];
            let findings = dependencies_point_down(&House { members, ..House::default() });
            let messages: Vec<&str> = findings.iter().map(|found| found.message.as_str()).collect();
            match complaint {
                None => assert!(messages.is_empty(), "{from:?} {kind:?} {to:?}: {messages:?}"),
                Some(start) => {
                    assert!(messages.len() == 1 && messages[0].starts_with(start), "{messages:?}");
                }
            }
        }
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        let stray = Member { folder: "crates/stray".to_owned(), ..Member::default() };
        let findings = dependencies_point_down(&House { members: vec![stray], ..House::default() });
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].file, "crates/stray/Cargo.toml");
    }
}
