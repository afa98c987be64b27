//! The settings of TLS, and of what only TLS makes possible.

use std::path::PathBuf;

use crate::config::form::file;
use crate::config::quantity::DAY;
use crate::config::resolved::ClientCertificates;
use crate::config::setting::{Kind, Reload, Section, Setting};
use ws_transport::tls::TlsVersion;

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "TLS_CERT",
        section: Section::Tls,
        reload: Reload::NewConnections,
        kind: Kind::List("files with a certificate chain in PEM", |c, text| {
            c.tls.certificates.push(PathBuf::from(text));
            true
        }),
        default: "",
        doc: "The certificates; once there is one, the port speaks TLS alone. The first is for whoever asks for no name of another",
    },
    Setting {
        env: "TLS_KEY",
        section: Section::Tls,
        reload: Reload::NewConnections,
        kind: Kind::List("files with a private key in PEM, one for each certificate", |c, text| {
            c.tls.keys.push(PathBuf::from(text));
            true
        }),
        default: "",
        doc: "The keys, in the order of the certificates",
    },
    Setting {
        env: "TLS_POLL_INTERVAL",
        section: Section::Tls,
        reload: Reload::NewConnections,
        kind: Kind::Duration(0..=DAY, |c, time| {
            c.tls.poll_interval = Some(time).filter(|time| !time.is_zero());
        }),
        default: "10000",
        doc: "How often it is looked whether those files have changed; 0 for never",
    },
    Setting {
        env: "TLS_CLIENT_CA",
        section: Section::Tls,
        reload: Reload::NewConnections,
        kind: Kind::Text("a file with certificates in PEM", |c, text| {
            file(text, &mut c.tls.client_ca)
        }),
        default: "",
        doc: "Who signs the certificates of clients",
    },
    Setting {
        env: "TLS_CLIENT_AUTH",
        section: Section::Tls,
        reload: Reload::NewConnections,
        kind: Kind::Word(&[
            ("off", |c| c.tls.clients = ClientCertificates::Off),
            ("optional", |c| c.tls.clients = ClientCertificates::Optional),
            ("required", |c| c.tls.clients = ClientCertificates::Required),
        ]),
        default: "off",
        doc: "Whether clients are asked for a certificate, and whether they have to have one",
    },
    Setting {
        env: "TLS_MIN_VERSION",
        section: Section::Tls,
        reload: Reload::NewConnections,
        kind: Kind::Word(&[
            ("1.2", |c| c.tls.oldest = TlsVersion::Tls12),
            ("1.3", |c| c.tls.oldest = TlsVersion::Tls13),
        ]),
        default: "1.2",
        doc: "The oldest version of TLS that is spoken",
    },
    Setting {
        env: "TLS_HANDSHAKES_MAX",
        section: Section::Tls,
        reload: Reload::Restart,
        kind: Kind::Integer(1..=1_000_000, |c, n| c.tls.handshakes_max = n),
        default: "4096",
        doc: "How many handshakes may be under way at once; others wait for their turn",
    },
    Setting {
        env: "TLS_HTTP2",
        section: Section::Tls,
        reload: Reload::NewConnections,
        kind: Kind::Switch(|c, on| c.tls.http2 = on),
        default: "true",
        doc: "Whether HTTP/2 is offered: one connection of a browser then carries its WebSockets and requests",
    },
    Setting {
        env: "TLS_HTTP2_STREAMS_MAX",
        section: Section::Tls,
        reload: Reload::Restart,
        kind: Kind::Integer(1..=100_000, |c, n| c.tls.http2_streams_max = n),
        default: "100",
        doc: "How many WebSockets and requests one connection of HTTP/2 may carry at once",
    },
];
