//! Whoever comes by one of our crates finds a page that tells what it is.

use super::{Finding, House};

const README: &str = "README.md";

pub(super) fn each_crate_has_a_readme(house: &House) -> Vec<Finding> {
    let crates = house.members.iter().filter(|member| member.is_crate());
    let missing = crates.filter_map(|member| {
        let path = format!("{}/{README}", member.folder);
        let there = house.tree.file(&path).is_some_and(|file| !file.text.trim().is_empty());
        let message = "not there or empty; say what the crate's docs say, for who picks it alone";
        (!there).then(|| Finding::new(&path, 1, message))
    });
    missing.collect()
}

pub(super) fn the_readme_lists_each_crate(house: &House) -> Vec<Finding> {
    let rows: Vec<&str> = match house.tree.file(README) {
        Some(readme) => readme.text.lines().filter(|line| line.starts_with('|')).collect(),
        None => Vec::new(),
    };
    let crates = house.members.iter().filter(|member| member.is_crate());
    let unlisted = crates.filter(|member| {
        let links = [format!("]({})", member.folder), format!("]({}/", member.folder)];
        !rows.iter().any(|row| links.iter().any(|link| row.contains(link)))
    });
    let finding = |folder: &str| {
        let message =
            format!("no row for {folder}; its table has a line and a link for each crate");
        Finding::new(README, 1, message)
    };
    unlisted.map(|member| finding(&member.folder)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Tree;
    use crate::workspace::Member;

    fn house(files: &[(&str, &str)]) -> House {
        let member = Member { folder: "crates/door".to_owned(), ..Member::default() };
        House { tree: Tree::with(files), members: vec![member], ..House::default() }
    }

    #[test]
    fn a_crate_without_a_readme_is_found() {
        for (files, found) in [
            (vec![("crates/door/README.md", "# ws-door")], 0),
            (vec![("crates/door/README.md", "\n")], 1),
            (vec![("crates/door-bell/README.md", "# ws-door-bell")], 1),
        ] {
            assert_eq!(each_crate_has_a_readme(&house(&files)).len(), found, "{files:?}");
        }
    }

    #[test]
    fn a_crate_without_a_row_in_the_readme_is_found() {
        for (readme, found) in [
            ("| [door](crates/door) | opens |", 0),
            ("| [door](crates/door/README.md) | opens |", 0),
            ("| door | opens |", 1),
            ("See [door](crates/door).", 1),
            ("| [bell](crates/door-bell) | rings |", 1),
        ] {
            assert_eq!(the_readme_lists_each_crate(&house(&[(README, readme)])).len(), found);
        }
        assert_eq!(the_readme_lists_each_crate(&house(&[])).len(), 1);
    }
}
