use super::*;
use crate::config::ClientCertificates;

fn settings() -> TlsSettings {
    use ws_test_servers::tls as files;
    TlsSettings {
        certificates: vec![files::certificate()],
        keys: vec![files::key()],
        ..TlsSettings::default()
    }
}

#[test]
fn what_a_look_has_read_by_settings_of_yesterday_is_not_put_over_those_of_a_reload() {
    let certificates = Certificates::open(&settings()).unwrap().unwrap();
    let looked_at = certificates.current.lock().clone();
    let of_look = || certificates.load(&settings()).unwrap();
    assert!(certificates.install_over(&looked_at, of_look()), "nobody was quicker");

    let looked_at = certificates.current.lock().clone();
    let of_look = of_look();
    let stricter = TlsSettings {
        client_ca: Some(ws_test_servers::tls::ca()),
        clients: ClientCertificates::Required,
        ..settings()
    };
    certificates.install(certificates.load(&stricter).unwrap());
    assert!(!certificates.install_over(&looked_at, of_look));
    assert_eq!(certificates.current.lock().settings, stricter);
    assert!(format!("{:?}", certificates.acceptor().config()).contains("is_required: true"));
}
