//! TLS.

use ws_test_servers::tls as files;

use super::*;

/// The faults of these variables, with the files as they are.
#[track_caller]
fn faults_of(variables: &[(&str, &Path)]) -> Vec<String> {
    let secret = (SECRET.0.into(), SECRET.1.into());
    let variables = variables.iter().map(|(name, file)| ((*name).into(), (*file).into()));
    match load(["ws-gateway".into()], variables.chain([secret]), |path| {
        std::fs::read_to_string(path)
    }) {
        Ok(_) => Vec::new(),
        Err(LoadError::Faults(faults)) => faults.0.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn each_certificate_has_its_key() {
    let (certificate, key, ca) = (files::certificate(), files::key(), files::ca());
    let pair = |certificate, key| faults_of(&[("TLS_CERT", certificate), ("TLS_KEY", key)]);
    assert_eq!(pair(&certificate, &key), Vec::<String>::new());
    for (certificate, key, name, part) in [
        (&ca, &key, "TLS_KEY", "the key is not the certificate's"),
        (&key, &key, "TLS_CERT", "has no block -----BEGIN CERTIFICATE-----"),
        (&certificate, &certificate, "TLS_KEY", "has no block -----BEGIN PRIVATE KEY-----"),
        (&"/nowhere".into(), &key, "TLS_CERT", "/nowhere: a file that can be read"),
    ] {
        let faults = pair(certificate, key);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with(name) && faults[0].contains(part), "{}", faults[0]);
    }
    let alone = faults_of(&[("TLS_CERT", &certificate)]);
    assert!(alone[0].contains("there are 0 keys and 1 certificates"), "{alone:?}");
}

#[test]
fn certificates_of_clients_are_asked_for_by_whoever_speaks_tls_and_says_whose_are_good() {
    let (certificate, key, ca) = (files::certificate(), files::key(), files::ca());
    let pair = [("TLS_CERT", &*certificate), ("TLS_KEY", &*key)];
    let with = |further: &[(&str, &Path)]| faults_of(&[&pair, further].concat());
    let (authority, required) =
        (("TLS_CLIENT_CA", &*ca), ("TLS_CLIENT_AUTH", Path::new("required")));
    assert_eq!(with(&[authority, required]), Vec::<String>::new());
    assert!(with(&[required])[0].contains("only with TLS_CLIENT_CA"));
    assert!(with(&[authority])[0].contains("only with TLS_CLIENT_AUTH"));
    let bad = with(&[("TLS_CLIENT_CA", &*key), required]);
    assert!(bad[0].starts_with("TLS_CLIENT_CA") && bad[0].contains("no block"), "{bad:?}");
    let plain = faults_of(&[authority, required]);
    assert!(plain.iter().all(|fault| fault.contains("only with TLS_CERT")), "{plain:?}");
}
