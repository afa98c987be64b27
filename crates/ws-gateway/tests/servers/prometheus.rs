//! A real Prometheus scrapes a real gateway, and answers what the dashboard and the alerts ask.

use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{process::Child, time::sleep};

use crate::process::{Process, file};

const DASHBOARD: &str = include_str!("../../../../docs/deploy/grafana-dashboard.json");
const KEY: &str = "the key of whoever scrapes";

fn provisioned(variable: &str) -> OsString {
    std::env::var_os(variable).unwrap_or_else(|| {
        panic!("{variable} is not set: run `cargo xtask test`, or `eval \"$(cargo xtask provision)\"` first")
    })
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy")
}

/// What promtool says, and whether it is content.
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let mut tool = Command::new(provisioned("WS_TEST_PROMTOOL"))
        .args(arguments)
        .current_dir(deploy())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    tool.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = tool.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn promtool_finds_nothing_wrong_with_the_alerts_and_each_fires_when_it_is_to() {
    let (is_good, said) =
        promtool(&["check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"], "");
    assert!(is_good, "{said}");
    let (is_good, said) = promtool(&["test", "rules", "alerts_test.yml"], "");
    assert!(is_good, "{said}");
}

struct Prometheus {
    address: String,
    _process: Child,
}

impl Prometheus {
    /// One that scrapes that gateway each half second.
    async fn scraping(gateway: &Process) -> Self {
        let alerts = deploy().join("alerts.yml").canonicalize().expect("the alerts");
        let settings = format!(
            "global: {{ scrape_interval: 500ms, evaluation_interval: 1s }}\n\
             rule_files: [\"{}\"]\n\
             scrape_configs:\n  \
             - job_name: ws-gateway\n    \
             authorization: {{ credentials: \"{KEY}\" }}\n    \
             static_configs: [{{ targets: [\"{}\"] }}]\n",
            alerts.display(),
            gateway.address
        );
        let settings = file("prometheus.yml", &settings);
        let data = settings.with_file_name(format!("prometheus-{}", gateway.address.port()));
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = port.local_addr().expect("bound").to_string();
        drop(port);
        let process = tokio::process::Command::new(provisioned("WS_TEST_PROMETHEUS"))
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--log.level=error", "--storage.tsdb.retention.size=64MB"])
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus");
        Self { address, _process: process }
    }

    async fn get(&self, path: &str) -> Option<Value> {
        let answer = reqwest::get(format!("http://{}{path}", self.address)).await.ok()?;
        serde_json::from_str(&answer.text().await.ok()?).ok()
    }

    /// The samples that answer a question.
    async fn ask(&self, question: &str) -> Option<Vec<Value>> {
        let form: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("query", question).finish();
        let answer = self.get(&format!("/api/v1/query?{form}")).await?;
        assert_eq!(answer["status"], "success", "{question}: {answer}");
        answer["data"]["result"].as_array().cloned()
    }

    async fn until(&self, question: &str) {
        for _ in 0..600 {
            if self.ask(question).await.is_some_and(|samples| !samples.is_empty()) {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing answers {question}: {:?}", self.ask("up").await);
    }
}

/// What the panels ask, with the variables of the dashboard filled in.
fn questions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let questions = targets.map(|target| target["expr"].as_str().expect("a question"));
    let filled = questions.map(|question| {
        question
            .replace("$job", "ws-gateway")
            .replace("$instance", ".*")
            .replace("$__rate_interval", "10s")
    });
    filled.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_the_gateway_and_answers_what_the_dashboard_asks() {
    let gateway = Process::start(&[], &[("ADMIN_KEY", KEY), ("UPSTREAM", "echo")]).await;
    let prometheus = Prometheus::scraping(&gateway).await;
    prometheus.until("up{job=\"ws-gateway\"} == 1").await;
    let mut client = gateway.visit("ada").await;
    // Counters are there before they count, or a rate would miss their first step.
    for _ in 0..2 {
        client.send(json!({ "type": "subscribe", "channel": "c" })).await;
        client.next().await;
        client.send(json!({ "type": "publish", "channel": "c", "data": 1 })).await;
        client.next().await;
        client.ask("1").await;
    }
    prometheus.until("sum(rate(ws_messages_total[10s])) > 0").await;
    prometheus.until("ws_connections{job=\"ws-gateway\"} == 1").await;

    let questions = questions();
    assert!(questions.len() > 40, "{questions:?}");
    let mut answered = 0;
    for question in &questions {
        let samples = prometheus.ask(question).await.expect("an answer");
        answered += usize::from(!samples.is_empty());
    }
    // The rest asks for what has not happened: refusals, hooks, failures, traces.
    assert!(answered * 2 > questions.len(), "{answered} of {}", questions.len());
    let units = "process_resident_memory_bytes > 1e6 and process_open_fds < process_max_fds";
    prometheus.until(units).await;

    let rules = prometheus.get("/api/v1/rules").await.expect("the rules");
    let groups = rules["data"]["groups"].as_array().expect("groups").iter();
    let rules: Vec<_> = groups.filter_map(|group| group["rules"].as_array()).flatten().collect();
    assert!(rules.len() > 15 && rules.iter().all(|rule| rule["health"] != "err"), "{rules:#?}");

    lint(&reqwest_page(&gateway).await);
}

async fn reqwest_page(gateway: &Process) -> String {
    let page = reqwest::Client::new().get(format!("http://{}/metrics", gateway.address));
    let page = page.bearer_auth(KEY).send().await.expect("an answer");
    page.text().await.expect("a text")
}

/// promtool knows the older text format alone, in which a counter's family has its suffix.
fn lint(page: &str) {
    let counters: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut older = String::new();
    for line in page.lines().filter(|line| !line.starts_with("# UNIT") && *line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", what, name, rest] if counters.contains(&name) => {
                older.push_str(&format!("# {what} {name}_total {rest}\n"));
            }
            _ => older.push_str(&format!("{line}\n")),
        }
    }
    let (is_good, said) = promtool(&["check", "metrics"], &older);
    assert!(is_good && said.trim().is_empty(), "{said}");
}
