//! Any text as a token: nobody is let in who does not know the secret, and no error holds the token.
#![no_main]

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use ws_auth::{Authenticator, Issuer, Secret, VerifyError};

static AUTHENTICATOR: LazyLock<Authenticator> = LazyLock::new(|| {
    let issuer = Issuer::new("fuzz").secret(Secret::new("nobody-knows-it-and-it-is-long-enough"));
    Authenticator::builder().issuer(issuer).build().expect("a sound configuration")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(token) = str::from_utf8(data) else { return };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    match AUTHENTICATOR.verify(token, now) {
        Ok(_) => panic!("a token that nobody signed was accepted"),
        Err(VerifyError::Rejected(error)) => {
            let said = error.to_string();
            // A short one may be a part of a sentence.
            assert!(token.len() < 40 || !said.contains(token), "the error tells the token");
        }
        Err(VerifyError::KeyUnknown(_)) => {}
    }
});
