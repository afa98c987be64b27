//! The prefixes of a set of patterns as a tree, in one sorted array.

use std::collections::BTreeMap;

/// Finds all prefixes of a name, the longest first, with one binary search.
///
/// ```text
///   ""  ◄── "chat:" ◄── "chat:vip:"        sorted: "", "chat:", "chat:vip:", "user:"
///     ◄──── "user:"                        each knows the longest of the others that it begins with
/// ```
///
/// The greatest entry that is not above a name either is a prefix of it or begins with every prefix
/// of it that there is; from there on, the way leads over parents.
pub(super) struct Prefixes(Box<[Node]>);

pub(super) struct Node {
    prefix: Box<str>,
    parent: Option<u32>,
    /// Indices of the rules with this prefix, the most specific first.
    rules: Vec<u32>,
}

impl Prefixes {
    pub(super) fn new<'a>(patterns: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let mut sorted: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (prefix, rule) in patterns {
            sorted.entry(prefix).or_default().push(rule);
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(sorted.len());
        for (prefix, rules) in sorted {
            debug_assert!(rules.is_sorted(), "the caller hands them over by specificity");
            let mut parent = nodes.len().checked_sub(1).map(|last| last as u32);
            while let Some(candidate) = parent {
                let node = &nodes[candidate as usize];
                if prefix.starts_with(&*node.prefix) {
                    break;
                }
                parent = node.parent;
            }
            nodes.push(Node { prefix: prefix.into(), parent, rules });
        }
        Self(nodes.into())
    }

    /// The nodes whose prefix `name` begins with, the longest first.
    pub(super) fn along(&self, name: &str) -> impl Iterator<Item = &Node> {
        let not_above = self.0.partition_point(|node| *node.prefix <= *name);
        let mut next = not_above.checked_sub(1).map(|last| &self.0[last]);
        while let Some(node) = next
            && !name.starts_with(&*node.prefix)
        {
            next = self.parent(node);
        }
        std::iter::successors(next, |node| self.parent(node))
    }

    fn parent(&self, node: &Node) -> Option<&Node> {
        node.parent.map(|parent| &self.0[parent as usize])
    }
}

impl Node {
    pub(super) const fn len(&self) -> usize {
        self.prefix.len()
    }

    pub(super) fn rules(&self) -> &[u32] {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_prefixes_of_a_name_are_found_longest_first() {
        let prefixes = ["", "a", "ab:", "ab:c", "ab:d:", "b", "chat:", "chat:vip:", "chat:vip:x"];
        let tree = Prefixes::new(prefixes.into_iter().zip(0..));
        for name in ["", "a", "ab", "ab:", "ab:cd", "ab:d", "ab:d:e", "ac", "chat:vip:y", "c", "~"]
        {
            let found: Vec<&str> = tree.along(name).map(|node| &*node.prefix).collect();
            let mut expected: Vec<&str> =
                prefixes.into_iter().filter(|prefix| name.starts_with(prefix)).collect();
            expected.reverse();
            assert_eq!(found, expected, "{name:?}");
        }
        assert_eq!(Prefixes::new([]).along("a").count(), 0);
    }
}
