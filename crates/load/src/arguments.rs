//! The command line: what was written, and the plan that it means.

use std::{path::PathBuf, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::{
    credentials::{Carried, Credentials, Source},
    plan::{
        Dialing, Drive, Expectation, Group, Length, Message, Opening, Output, Plan, Role, Settings,
        Span, When,
    },
    scenario::{SCENARIOS, Scenario},
    schedule::Pace,
    stamp::{PUBLISHERS_MAX, STAMP_LEN},
    target::Target,
    template::Template,
};

mod preset;
mod values;

use preset::Preset;

/// The command with all its options.
pub(crate) fn command() -> Command {
    let scenarios =
        SCENARIOS.map(|(name, _, help)| clap::builder::PossibleValue::new(name).help(help));
    Command::new("ws-load")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Puts load on a WebSocket server and says what came of it")
        .arg(
            Arg::new("scenario")
                .value_name("SCENARIO")
                .required(true)
                .value_parser(clap::builder::PossibleValuesParser::new(scenarios)),
        )
        .arg(Arg::new("url").value_name("URL").required(true).help("ws://host:port/path"))
        .next_help_heading("Load")
        .args([
            value("connections", "N", "connections (fan-out: receivers)")
                .short('c')
                .default_value("1"),
            value(
                "window",
                "N",
                "closed loop: messages in flight for each connection [default: 1]",
            ),
            value(
                "rate",
                "R",
                "open loop: messages a second in all; latency counts from the intended time",
            ),
            value("ramp", "D", "open loop: the rate rises from nothing over this time")
                .default_value("0s"),
            value("size", "BYTES", "payload size [default: 20; fan-out: 64]"),
            value("warmup", "D", "not measured, e.g. 500ms, 2s, 1m").default_value("1s"),
            value("duration", "D", "measured").default_value("5s"),
            value("messages", "N", "measure N messages instead of a duration"),
            value("threads", "N", "threads of this tool").default_value("1"),
        ])
        .next_help_heading("Messages")
        .args([
            flag("text", "text messages (the default)"),
            flag("binary", "binary messages").conflicts_with("text"),
            flag("compress", "offer permessage-deflate"),
            value("preset", "NAME", "templates: `plain` bare frames, `gateway` our vocabulary")
                .default_value("plain"),
            value(
                "message",
                "TEMPLATE",
                "what is sent; places: {payload} {seq} {conn} {user} {time} {random} {token}",
            ),
            value("on-open", "TEMPLATE", "sent by each connection once it is open")
                .action(ArgAction::Append),
            value("expect", "TEXT", "only messages that contain this are answers"),
            value("ignore", "TEXT", "messages that contain this are no answers"),
        ])
        .next_help_heading("Fan-out")
        .args([
            value("publishers", "N", "connections that publish").default_value("1"),
            value("burst", "N", "closed loop: each publisher writes N publishes at once")
                .default_value("1"),
            value("receiver-url", "URL", "where receivers connect to [default: URL]"),
            value("publisher-url", "URL", "where publishers connect to [default: URL]"),
            value("publisher-on-open", "TEMPLATE", "sent by each publisher once it is open")
                .action(ArgAction::Append),
        ])
        .next_help_heading("Connecting")
        .args([
            value("connect-window", "N", "how many handshakes at once [default: 64]"),
            value("connect-rate", "R", "open loop: handshakes a second"),
            value("connect-timeout", "D", "a handshake fails after this").default_value("10s"),
            value("until-text", "TEXT", "a connection counts as open once a message contains this"),
            flag("and-close", "connect: close each connection as soon as it is open"),
            value("background", "N", "connect: connections that echo meanwhile").default_value("0"),
            value("background-rate", "R", "messages a second of the background, in all")
                .default_value("100"),
            value("hold", "D", "idle: how long the connections are held").default_value("2s"),
            value("source", "ADDR", "source addresses to bind, in turn")
                .value_delimiter(',')
                .action(ArgAction::Append),
            value("header", "NAME:VALUE", "a header of the request").action(ArgAction::Append),
            value("subprotocol", "NAME", "a subprotocol to offer").action(ArgAction::Append),
        ])
        .next_help_heading("Tokens")
        .args([
            value("token", "TOKEN", "for all connections"),
            value("token-file", "FILE", "one token a line, given out in turn")
                .conflicts_with("token"),
            value("token-secret", "SECRET", "mint HS256 tokens; `sub` is the user")
                .conflicts_with_all(["token", "token-file"]),
            value("token-in", "WHERE", "header, query, subprotocol, or message (by {token})")
                .default_value("header"),
            value("user", "TEMPLATE", "the user of a connection").default_value("user-{conn}"),
        ])
        .next_help_heading("Results")
        .args([
            value("server-pid", "PID", "the server's processes [default: who listens on the port]")
                .value_delimiter(',')
                .action(ArgAction::Append),
            value("json", "FILE", "write the results as JSON (- is the standard output)"),
            value("html", "FILE", "write a report with plots"),
            flag("quiet", "print no progress and no table").short('q'),
        ])
}

fn value(name: &'static str, value_name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value_name).help(help)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// What was written, with the faults that were found in it.
struct Reader<'a> {
    matches: &'a ArgMatches,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.matches.get_one::<String>(name).map(String::as_str)
    }

    fn texts(&self, name: &str) -> Vec<&str> {
        self.matches.get_many::<String>(name).into_iter().flatten().map(String::as_str).collect()
    }

    fn flag(&self, name: &str) -> bool {
        self.matches.get_flag(name)
    }

    /// A value of one option; a fault is noted with the option's name.
    fn read<T>(&mut self, name: &str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let parsed = parse(self.text(name)?);
        self.noted(name, parsed)
    }

    fn read_all<T>(&mut self, name: &str, parse: fn(&str) -> Result<T, String>) -> Vec<T> {
        let parsed: Vec<_> = self.texts(name).into_iter().map(parse).collect();
        parsed.into_iter().filter_map(|it| self.noted(name, it)).collect()
    }

    fn noted<T>(&mut self, name: &str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|fault| self.faults.push(format!("--{name}: {fault}"))).ok()
    }

    fn fault(&mut self, fault: impl Into<String>) {
        self.faults.push(fault.into());
    }
}

/// The plan that the arguments mean, or all their faults, a sentence each.
pub(crate) fn plan(matches: &ArgMatches) -> Result<Plan, Vec<String>> {
    let mut reader = Reader { matches, faults: Vec::new() };
    let plan = reader.plan();
    match plan {
        Some(plan) if reader.faults.is_empty() => Ok(plan),
        _ => Err(reader.faults),
    }
}

impl Reader<'_> {
    fn plan(&mut self) -> Option<Plan> {
        let scenario = Scenario::parse(self.text("scenario")?)?;
        let url = self.text("url")?.to_owned();
        let target = Target::parse(&url).map_err(|fault| self.fault(fault)).ok();
        let settings = self.settings(scenario);
        let span = self.span(scenario);
        let dialing = self.dialing();
        let threads = self.read("threads", values::count).unwrap_or(1);
        let output = Output {
            json: self.text("json").map(PathBuf::from),
            html: self.text("html").map(PathBuf::from),
            quiet: self.flag("quiet"),
        };
        let groups = self.groups(scenario, target?, &settings);
        let server_pids = self.read_all("server-pid", values::pid);
        Some(Plan {
            scenario,
            url,
            threads,
            groups,
            dialing: dialing?,
            span: span?,
            server_pids,
            settings,
            output,
        })
    }

    fn settings(&mut self, scenario: Scenario) -> Settings {
        let window = self.read("window", values::count);
        let rate = self.read("rate", values::rate);
        if window.is_some() && rate.is_some() {
            self.fault("--window and --rate exclude each other: a closed loop or an open one");
        }
        let fan_out = scenario == Scenario::FanOut;
        let size = self.read("size", values::bytes).unwrap_or(if fan_out { 64 } else { 20 });
        if fan_out && size < STAMP_LEN {
            self.fault(format!(
                "--size: {size} is too small for fan-out, whose payloads carry a stamp of \
                 {STAMP_LEN} bytes"
            ));
        }
        Settings {
            connections: self.read("connections", values::count).unwrap_or(1),
            window: window.or(rate.is_none().then_some(1)),
            rate,
            size,
            compress: self.flag("compress"),
        }
    }

    fn span(&mut self, scenario: Scenario) -> Option<Span> {
        let warmup = self.read("warmup", values::duration)?;
        let duration = self.read("duration", values::duration)?;
        let hold = self.read("hold", values::duration)?;
        let messages = self.read("messages", values::number);
        Some(match scenario {
            Scenario::Connect => Span { warmup: Duration::ZERO, length: Length::Dialed },
            Scenario::Idle => Span { warmup: Duration::ZERO, length: Length::Duration(hold) },
            Scenario::Echo | Scenario::Request | Scenario::FanOut => {
                let length = messages.map_or(Length::Duration(duration), Length::Messages);
                Span { warmup, length }
            }
        })
    }

    fn dialing(&mut self) -> Option<Dialing> {
        let rate = self.read("connect-rate", values::rate);
        let window = self.read("connect-window", values::count);
        Some(Dialing {
            pace: rate.map(|rate| Pace::new(rate, Duration::ZERO)),
            window: window.unwrap_or(if rate.is_some() { usize::MAX } else { 64 }),
            timeout: self.read("connect-timeout", values::duration)?,
            sources: self.read_all("source", values::address),
        })
    }

    fn groups(&mut self, scenario: Scenario, target: Target, settings: &Settings) -> Vec<Group> {
        let preset = self.read("preset", Preset::parse).unwrap_or(Preset::Plain);
        let ramp = self.read("ramp", values::duration).unwrap_or_default();
        let drive = match (settings.rate, settings.window) {
            (Some(rate), _) => Drive::Pace(Pace::new(rate, ramp)),
            (None, window) => Drive::Window(window.unwrap_or(1)),
        };
        let mut groups = Vec::new();
        let group = |reader: &mut Self, role, count, opening: Opening| Group {
            role,
            count,
            first: 0,
            when: When::Before,
            message: reader.message(scenario, preset, settings),
            expectation: reader.expectation(scenario, preset),
            opening,
            background: false,
        };
        let opening = |reader: &mut Self, url: &str, on_open: &str| {
            reader.opening(url, on_open, &target, scenario, preset)
        };
        let connections = settings.connections;
        match scenario {
            Scenario::Echo | Scenario::Request => {
                let opening = opening(self, "", "on-open");
                groups.push(group(self, Role::Ask(drive), connections, opening));
            }
            Scenario::Idle => {
                let opening = opening(self, "", "on-open");
                groups.push(group(self, Role::Idle, connections, opening));
            }
            Scenario::FanOut => {
                let receiving = opening(self, "receiver-url", "on-open");
                groups.push(group(self, Role::Receive, connections, receiving));
                let publishing = opening(self, "publisher-url", "publisher-on-open");
                let burst = self.read("burst", values::count).unwrap_or(1);
                let publishers = self.read("publishers", values::count).unwrap_or(1);
                if publishers > PUBLISHERS_MAX {
                    self.fault(format!(
                        "--publishers: {publishers} are more than {PUBLISHERS_MAX}"
                    ));
                }
                groups.push(group(self, Role::Publish { burst, drive }, publishers, publishing));
            }
            Scenario::Connect => {
                let background = self.read("background", values::number).unwrap_or(0) as usize;
                if background > 0 {
                    let rate = self.read("background-rate", values::rate).unwrap_or(100.0);
                    let drive = Drive::Pace(Pace::new(rate, Duration::ZERO));
                    let opening = opening(self, "", "on-open");
                    let quiet = group(self, Role::Ask(drive), background, opening);
                    groups.push(Group { background: true, ..quiet });
                }
                let role = if self.flag("and-close") { Role::Leave } else { Role::Idle };
                let opening = opening(self, "", "on-open");
                let storm = group(self, role, connections, opening);
                groups.push(Group { when: When::Measured, ..storm });
            }
        }
        let mut first = 0;
        for group in &mut groups {
            group.first = first;
            first += group.count;
        }
        groups
    }

    fn message(&mut self, scenario: Scenario, preset: Preset, settings: &Settings) -> Message {
        let default = preset.message(scenario);
        let text = self.text("message").unwrap_or(default).to_owned();
        let template = self.template("message", &text);
        if scenario == Scenario::FanOut && !template.has_payload() {
            self.fault("--message: fan-out needs {payload}, by whose stamp deliveries are counted");
        }
        let payload = values::filler(settings.size);
        Message { template, payload, binary: self.flag("binary") }
    }

    fn template(&mut self, name: &str, text: &str) -> Template {
        let parsed = Template::parse(text).map_err(|error| error.to_string());
        self.noted(name, parsed).unwrap_or_default()
    }

    fn expectation(&self, scenario: Scenario, preset: Preset) -> Expectation {
        let finder = |text: &str| memchr::memmem::Finder::new(text).into_owned();
        Expectation {
            expect: self.text("expect").or(preset.expect(scenario)).map(finder),
            ignore: self.text("ignore").map(finder),
        }
    }

    fn opening(
        &mut self,
        url: &str,
        on_open: &str,
        target: &Target,
        scenario: Scenario,
        preset: Preset,
    ) -> Opening {
        let own = (!url.is_empty()).then(|| self.read(url, Target::parse)).flatten();
        let mut texts: Vec<String> = self.texts(on_open).into_iter().map(str::to_owned).collect();
        if texts.is_empty() && on_open == "on-open" {
            texts.extend(preset.on_open(scenario).map(str::to_owned));
        }
        let on_open: Vec<Template> =
            texts.iter().map(|text| self.template(on_open, text)).collect();
        let user = self.text("user").unwrap_or_default().to_owned();
        Opening {
            target: own.unwrap_or_else(|| target.clone()),
            credentials: self.credentials(&on_open),
            user: self.template("user", &user),
            headers: self.read_all("header", values::header),
            protocols: self.texts("subprotocol").into_iter().map(str::to_owned).collect(),
            on_open,
            until: self.text("until-text").or(preset.until()).map(str::to_owned),
            compress: self.flag("compress"),
        }
    }

    fn credentials(&mut self, on_open: &[Template]) -> Credentials {
        let carried = self.read("token-in", values::carried).unwrap_or_default();
        let source = if let Some(token) = self.text("token") {
            Some(Source::Given(vec![token.to_owned()]))
        } else if let Some(secret) = self.text("token-secret") {
            let minted = Source::minted(secret);
            self.noted("token-secret", minted)
        } else if let Some(file) = self.text("token-file") {
            let text = std::fs::read_to_string(file).map_err(|error| format!("`{file}`: {error}"));
            let source = text.and_then(|text| {
                Source::from_file(&text).map_err(|fault| format!("`{file}` {fault}"))
            });
            self.noted("token-file", source)
        } else {
            None
        };
        if carried == Carried::Message && !on_open.iter().any(Template::has_token) {
            self.fault("--token-in message: no --on-open has the place {token}");
        }
        Credentials { source: source.unwrap_or_default(), carried }
    }
}
