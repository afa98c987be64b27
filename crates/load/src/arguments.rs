//! The command line: what was written, and the plan that it means.

use std::{path::PathBuf, time::Duration};

use clap::ArgMatches;

use crate::{
    credentials::{Carried, Credentials, Source},
    plan::{Dialing, Expectation, Length, Message, Opening, Output, Plan, Settings, Span},
    scenario::Scenario,
    schedule::Pace,
    stamp::STAMP_LEN,
    target::Target,
    template::Template,
};

mod options;
mod population;
mod preset;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use options::command;
use population::{Population, Side};
use preset::Preset;

/// What is measured unless something else is asked for.
const DURATION: Duration = Duration::from_secs(5);

/// How long idle connections are held, likewise.
const HOLD: Duration = Duration::from_secs(2);

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
        _ => {
            // What several groups read is found as often.
            let mut told = Vec::new();
            reader.faults.retain(|fault| {
                let is_new = !told.contains(fault);
                told.push(fault.clone());
                is_new
            });
            Err(reader.faults)
        }
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
        let population = Population {
            preset: self.read("preset", Preset::parse).unwrap_or(Preset::Plain),
            reader: self,
            scenario,
            settings: &settings,
            target: &target?,
            groups: Vec::new(),
        };
        let groups = population.read();
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
        let fan_out = scenario.fans_out();
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
        let duration = self.read("duration", values::duration);
        let hold = self.read("hold", values::duration);
        let messages = self.read("messages", values::number);
        Some(match scenario {
            Scenario::Connect | Scenario::Reconnect => {
                let at_most = duration.unwrap_or(Duration::from_secs(60));
                let hold = hold.unwrap_or_default();
                Span { warmup: Duration::ZERO, length: Length::Dialed { at_most, hold } }
            }
            Scenario::Idle => {
                let length = Length::Duration(hold.unwrap_or(HOLD));
                Span { warmup: Duration::ZERO, length }
            }
            Scenario::Churn => {
                Span { warmup, length: Length::Duration(duration.unwrap_or(DURATION)) }
            }
            Scenario::Echo | Scenario::Request | Scenario::FanOut | Scenario::Slow => {
                let duration = Length::Duration(duration.unwrap_or(DURATION));
                let length = messages.map_or(duration, Length::Messages);
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

    fn message(&mut self, scenario: Scenario, preset: Preset, settings: &Settings) -> Message {
        let default = preset.message(scenario);
        let text = self.text("message").unwrap_or(default).to_owned();
        let template = self.template("message", &text);
        if scenario.fans_out() && !template.has_payload() {
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
            count: self.texts("count").into_iter().map(finder).collect(),
        }
    }

    fn opening(
        &mut self,
        side: Side,
        target: &Target,
        scenario: Scenario,
        preset: Preset,
    ) -> Opening {
        let (own, name) = match side {
            Side::Asker => (None, "on-open"),
            Side::Receiver => (self.read("receiver-url", Target::parse), "on-open"),
            Side::Publisher => (self.read("publisher-url", Target::parse), "publisher-on-open"),
        };
        let mut texts: Vec<String> = self.texts(name).into_iter().map(str::to_owned).collect();
        if texts.is_empty() && side != Side::Publisher {
            texts.extend(preset.on_open(scenario).map(str::to_owned));
        }
        let on_open: Vec<Template> = texts.iter().map(|text| self.template(name, text)).collect();
        let user = self.text("user").unwrap_or_default().to_owned();
        Opening {
            target: own.unwrap_or_else(|| target.clone()),
            credentials: self.credentials(&on_open),
            user: self.template("user", &user),
            headers: self.read_all("header", values::header),
            protocols: self.protocols(preset),
            on_open,
            until: self.text("until-text").or(preset.until(scenario, side)).map(str::to_owned),
            compress: self.flag("compress"),
        }
    }

    fn protocols(&self, preset: Preset) -> Vec<String> {
        let asked: Vec<String> = self.texts("subprotocol").into_iter().map(str::to_owned).collect();
        match preset.protocol() {
            // One that carries a token stands beside one that can be agreed on.
            Some(own) if asked.is_empty() && self.text("token-in") == Some("subprotocol") => {
                vec![own.to_owned()]
            }
            _ => asked,
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
