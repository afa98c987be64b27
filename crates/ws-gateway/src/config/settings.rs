//! The table of settings: flags, variables, keys of the file, what `ws-gateway config` prints and
//! the tables of `docs/configuration.md` all come from here.

mod access;
mod back_ends;
mod channels;
mod defaults;
mod drain;
mod engine;
mod limiting;
mod operation;
mod tls;
mod traces;
mod traffic;
mod tunnels;

use super::setting::{Section, Setting};

pub(super) use self::defaults::{COMPRESSION_PROFILES, DEV_DEFAULTS};

const PARTS: [&[Setting]; 11] = [
    traffic::SETTINGS,
    tls::SETTINGS,
    access::SETTINGS,
    limiting::SETTINGS,
    drain::SETTINGS,
    channels::SETTINGS,
    tunnels::SETTINGS,
    engine::SETTINGS,
    back_ends::SETTINGS,
    operation::SETTINGS,
    traces::SETTINGS,
];

/// Every setting, by section: the parts in one list.
pub const SETTINGS: &[&Setting] = &joined::<{ count() }>();

const fn count() -> usize {
    let (mut part, mut count) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
}

/// A section may have its settings in several parts; they stand together here.
const fn joined<const COUNT: usize>() -> [&'static Setting; COUNT] {
    let mut all = [&PARTS[0][0]; COUNT];
    let (mut section, mut place) = (0, 0);
    while section < Section::ALL.len() {
        let mut part = 0;
        while part < PARTS.len() {
            let mut row = 0;
            while row < PARTS[part].len() {
                if PARTS[part][row].section as usize == section {
                    all[place] = &PARTS[part][row];
                    place += 1;
                }
                row += 1;
            }
            part += 1;
        }
        section += 1;
    }
    assert!(place == COUNT, "Section::ALL has them in the order of their declaration");
    all
}

/// The setting of that variable.
pub(super) fn setting(env: &str) -> Option<&'static Setting> {
    SETTINGS.iter().copied().find(|setting| setting.env == env)
}

/// A limit, of which zero means that there is none.
fn limit(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}
