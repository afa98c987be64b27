//! Everything that is done to a gateway, in one table.

use super::{
    attacks::{doors, frames, messages},
    field::Field,
};

/// One thing that hostile peers do.
#[derive(Debug)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// What is counted.
    pub(super) unit: &'static str,
    /// How many threads do it.
    pub(super) attackers: usize,
    /// How many times as long as in quiet the others' p99 may be: docs/security.md says what it follows from.
    pub(super) factor_max: f64,
    /// What is to be done for it to be the attack that it is said to be.
    pub(super) least: Option<Least>,
    /// Does it until the field says that it is over.
    pub(super) rage: fn(&Field, usize),
    /// Of the gateway, beside what all have.
    pub(super) environment: &'static [(&'static str, &'static str)],
    /// Its file.
    pub(super) rules: &'static str,
}

/// In the unit of the attack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Least {
    InAll(u64),
    EachSecond(f64),
}

impl Least {
    /// Whether there is nothing to be gained by going on.
    pub(super) const fn is_done(self, done: u64) -> bool {
        match self {
            Self::InAll(many) => done >= many,
            Self::EachSecond(_) => true,
        }
    }
}

const fn attack(
    name: &'static str,
    unit: &'static str,
    rage: fn(&Field, usize),
    about: &'static str,
) -> Attack {
    Attack {
        name,
        about,
        unit,
        attackers: 1,
        factor_max: 10.0,
        least: None,
        rage,
        environment: &[],
        rules: "",
    }
}

/// Attackers who wait for an answer before they go on: with one alone the gateway would wait half of the time.
const EAGER: usize = 4;
/// A token is demanded with the upgrade, and only pages of one origin may ask.
const STRICT: &[(&str, &str)] =
    &[("AUTH_MODE", "upgrade"), ("ALLOWED_ORIGINS", "https://app.example")];
/// So that what is attacked is what lies behind the limit.
const UNLIMITED: &[(&str, &str)] = &[("MESSAGE_RATE_LIMIT", "4294967295")];
/// There are keys to be guessed.
const KEYS: &[(&str, &str)] =
    &[("ADMIN_KEY", "the-key-of-the-operator-0"), ("API_KEY", "the-key-of-the-back-end-0")];
/// What nobody has sent in time is not waited for.
const HASTY: &[(&str, &str)] = &[("HANDSHAKE_TIMEOUT", "5s"), ("AUTH_TIMEOUT", "5s")];

/// In the order in which a connection would meet them.
pub(super) static ATTACKS: [Attack; 17] = [
    Attack {
        environment: HASTY,
        ..attack(
            "slow-handshakes",
            "bytes",
            doors::dribble_requests,
            "3,000 sockets send a request, a byte a second each",
        )
    },
    Attack {
        environment: HASTY,
        // A round takes in sixty-four of them before it looks at anybody else.
        factor_max: 40.0,
        least: Some(Least::InAll(100_000)),
        ..attack(
            "half-handshakes",
            "connects",
            doors::leave_half_requests,
            "sockets from sprayed addresses send half of a request and are left, 5,000 at a time",
        )
    },
    attack(
        "silent-upgrades",
        "connects",
        doors::stay_silent,
        "sockets from sprayed addresses upgrade and never say who they are, 5,000 at a time",
    ),
    attack(
        "smuggling",
        "requests",
        doors::smuggle,
        "requests that two servers would read differently: two lengths, folded lines, odd ends of lines",
    ),
    attack(
        "odd-heads",
        "requests",
        doors::send_odd_heads,
        "paths and headers with CR, LF, NUL, half characters, traversals, and 64 KiB of them",
    ),
    Attack {
        environment: STRICT,
        ..attack(
            "cross-site",
            "requests",
            doors::cross_sites,
            "upgrades from a page of another origin, with a token that is good",
        )
    },
    Attack {
        environment: STRICT,
        least: Some(Least::EachSecond(10_000.0)),
        ..attack(
            "bad-tokens",
            "requests",
            doors::forge_tokens,
            "upgrades with tokens whose signature is wrong, each another one, as many as can be",
        )
    },
    Attack {
        attackers: EAGER,
        ..attack(
            "bad-first-messages",
            "messages",
            doors::forge_first_messages,
            "upgrades, and a first message with a token whose signature is wrong",
        )
    },
    Attack {
        environment: KEYS,
        ..attack(
            "key-guessing",
            "requests",
            doors::guess_keys,
            "guesses of ADMIN_KEY and API_KEY, from sprayed addresses",
        )
    },
    attack(
        "slow-frames",
        "bytes",
        frames::dribble,
        "1,000 users announce a message of 1 MiB and send a byte a second of it",
    ),
    attack(
        "ping-flood",
        "frames",
        frames::flood_pings,
        "20 users send pings of 125 bytes as fast as they can",
    ),
    attack(
        "empty-fragments",
        "frames",
        frames::flood_empty_fragments,
        "20 users send one message in fragments of no bytes, without end",
    ),
    attack(
        "deflate-bombs",
        "messages",
        frames::throw_bombs,
        "10 users send messages of 1 KiB that inflate to just below 1 MiB, as fast as they can",
    ),
    Attack {
        environment: UNLIMITED,
        ..attack(
            "subscribe-storm",
            "messages",
            messages::come_and_go,
            "10 users subscribe to channels and leave them, without a limit of messages",
        )
    },
    Attack {
        environment: UNLIMITED,
        // A round is three hundred who are heard, and three hundred who are told.
        factor_max: 40.0,
        ..attack(
            "join-waves",
            "joins",
            messages::join_in_waves,
            "300 users join one room at once, leave it at once, and again",
        )
    },
    Attack {
        environment: UNLIMITED,
        ..attack(
            "colliding-keys",
            "messages",
            messages::collide,
            "messages with 10,000 keys that are alike, and channels whose names are",
        )
    },
    attack(
        "above-the-limit",
        "messages",
        messages::ignore_limits,
        "10 users send requests far above their limit, and come back when they are closed",
    ),
];
