//! Any document as an issuer's published keys: read or refused, and a bad one leaves what was there.
#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use ws_auth::{Authenticator, Issuer, KeyDocument};

static BUILT: LazyLock<Authenticator> = LazyLock::new(authenticator);

fn authenticator() -> Authenticator {
    let issuer = Issuer::new("fuzz").jwks_url("https://issuer.example/keys").iss("https://issuer.example/");
    Authenticator::builder().issuer(issuer).build().expect("a sound configuration")
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = &*BUILT;
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let authenticator = authenticator();
    let Some(fetch) = authenticator.poll_fetch(now) else { return };
    let document = KeyDocument { body: data.to_vec(), max_age: None };
    if let Err(error) = authenticator.handle_keys(&fetch, Ok(document), now) {
        assert!(!error.to_string().is_empty());
    }
});
