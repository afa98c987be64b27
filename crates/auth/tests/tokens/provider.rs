//! A real identity provider: npm's `oidc-provider` on loopback, over its discovery document.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use reqwest::Client;
use serde_json::Value;
use ws_auth::{Algorithm, AuthError, Authenticator, Issuer, JwksSettings};

const PACKAGE: &str = include_str!("../oidc/package.json");
const LOCK: &str = include_str!("../oidc/package-lock.json");
const SCRIPT: &str = include_str!("../oidc/provider.mjs");

/// The provider's process. It ends when we let go of its standard input.
struct Provider {
    process: Child,
    issuer: String,
    http: Client,
}

impl Provider {
    fn start() -> Self {
        let folder = install();
        let mut process = Command::new("node")
            .arg("provider.mjs")
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| missing("node", "nodejs", &error));
        let mut line = String::new();
        let stdout = process.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("the provider prints its address");
        let hello: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("oidc-provider did not start: run `node provider.mjs` in {}", folder.display())
        });
        let issuer = hello["issuer"].as_str().expect("an issuer").to_owned();
        Self { process, issuer, http: Client::builder().no_proxy().build().expect("a client") }
    }

    async fn jwks_url(&self) -> String {
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let document = self.http.get(url).send().await.expect("answers").bytes().await;
        let document: Value = serde_json::from_slice(&document.expect("a body")).expect("JSON");
        assert_eq!(document["issuer"], self.issuer.as_str());
        document["jwks_uri"].as_str().expect("an address of keys").to_owned()
    }

    async fn token(&self, algorithm: &str) -> String {
        let body = format!(
            "grant_type=client_credentials&client_id=tests&scope=read%20write\
             &client_secret=not%20a%20secret%2C%20only%20for%20these%20tests\
             &resource=https%3A%2F%2Fgateway.example%2F{algorithm}"
        );
        let request = self
            .http
            .post(format!("{}/token", self.issuer))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await.expect("answers").bytes().await.expect("a body");
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    async fn rotate(&self, overlap: bool) {
        let url = format!("{}/control/rotate?overlap={overlap}", self.issuer);
        let answer = self.http.post(url).send().await.expect("answers");
        assert!(answer.status().is_success());
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        drop(self.process.wait());
    }
}

fn missing(program: &str, package: &str, error: &std::io::Error) -> ! {
    panic!(
        "the tests with a real identity provider need `{program}` ({error}): \
         install the system package `{package}`"
    )
}

/// Installs the provider into a folder of the target directory, once for each lock file.
fn install() -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oidc-provider");
    fs::create_dir_all(&folder).expect("the target directory can be written");
    let done = folder.join("installed-lock.json");
    for (name, text) in [("package.json", PACKAGE), ("provider.mjs", SCRIPT)] {
        fs::write(folder.join(name), text).expect("the target directory can be written");
    }
    if fs::read_to_string(&done).is_ok_and(|lock| lock == LOCK) {
        return folder;
    }
    fs::write(folder.join("package-lock.json"), LOCK).expect("the target directory can be written");
    let status = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .status()
        .unwrap_or_else(|error| missing("npm", "npm", &error));
    assert!(status.success(), "`npm ci` could not install the package oidc-provider");
    fs::write(&done, LOCK).expect("the target directory can be written");
    folder
}

#[expect(clippy::disallowed_methods, reason = "the provider signs by the real clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[tokio::test]
async fn tokens_of_a_real_provider_are_verified_through_its_rotations() {
    let provider = Provider::start();
    let issuer = Issuer::new("provider")
        .jwks_url(provider.jwks_url().await)
        .jwks_settings(JwksSettings { cool_down: Duration::ZERO, ..JwksSettings::default() })
        .iss(&*provider.issuer)
        .audience("gateway")
        .algorithms([Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::EdDsa])
        .permissions_claims(["scope"]);
    let authenticator = Authenticator::builder().issuer(issuer).build().expect("valid");

    let algorithms = ["RS256", "PS256", "ES256", "EdDSA"];
    let mut first = Vec::new();
    for algorithm in algorithms {
        let token = provider.token(algorithm).await;
        let identity = authenticator.authenticate(&token, now()).await;
        let identity = identity.unwrap_or_else(|error| panic!("{algorithm}: {error}"));
        assert_eq!(&*identity.user_id, "tests");
        assert!(identity.token_id.is_some() && identity.expires_at.is_some_and(|end| end > now()));
        let permissions = identity.permissions.as_ref().expect("a scope");
        assert!(permissions.contains("read") && permissions.contains("write"));
        first.push(token);
    }
    assert_eq!(authenticator.stats().fetches, 1, "one fetch for the four keys");

    provider.rotate(true).await;
    for (algorithm, old) in algorithms.iter().zip(&first) {
        let token = provider.token(algorithm).await;
        assert_ne!(key_id(&token), key_id(old), "{algorithm} is signed with a new key");
        assert!(authenticator.authenticate(&token, now()).await.is_ok(), "{algorithm} rotated");
        assert!(authenticator.authenticate(old, now()).await.is_ok(), "{algorithm} from before");
    }
    assert_eq!(authenticator.stats().fetches, 2);

    provider.rotate(false).await;
    for (algorithm, old) in algorithms.iter().zip(&first) {
        let token = provider.token(algorithm).await;
        assert!(authenticator.authenticate(&token, now()).await.is_ok(), "{algorithm} replaced");
        let outcome = authenticator.authenticate(old, now()).await;
        assert_eq!(outcome.err(), Some(AuthError::UnknownKey), "{algorithm} is withdrawn");
    }
    assert_eq!(authenticator.stats().verified, 12);
}

#[tokio::test]
async fn a_real_token_is_refused_for_another_audience_issuer_or_algorithm() {
    let provider = Provider::start();
    let url = provider.jwks_url().await;
    let token = provider.token("PS256").await;
    let remote = || Issuer::new("provider").jwks_url(&*url);
    let check = async |issuer: Issuer, expect: AuthError| {
        let authenticator = Authenticator::builder().issuer(issuer).build().expect("valid");
        let outcome = authenticator.authenticate(&token, now()).await;
        assert_eq!(outcome.err(), Some(expect));
    };
    check(remote().iss(&*provider.issuer).audience("other"), AuthError::WrongAudience).await;
    check(remote().iss("https://other.example").audience("gateway"), AuthError::WrongIssuer).await;
    let pinned = remote().any_audience().algorithms([Algorithm::Es256, Algorithm::Rs256]);
    check(pinned, AuthError::AlgorithmNotAllowed).await;
    let late = now() + Duration::from_secs(606);
    let authenticator = Authenticator::builder().issuer(remote().any_audience()).build();
    let outcome = authenticator.expect("valid").authenticate(&token, late).await;
    assert_eq!(outcome.err().map(|error| error.public_reason()), Some("Token expired"));
}

fn key_id(token: &str) -> &str {
    // The header of a provider differs between its keys in the key id alone.
    token.split('.').next().expect("a header")
}
