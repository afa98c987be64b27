//! What a server must be, and what it says about itself.

use redis::{Pipeline, Value, aio::MultiplexedConnection};

use crate::{
    config::RedisConfig,
    endpoint::Endpoint,
    error::{StartError, is_permission, needed_acl},
    names::LogKeys,
    scripts::{self, Script},
};

/// What was learned.
#[derive(Debug)]
pub(crate) struct Greeting {
    /// Another one whenever the server may have lost something that it acknowledged: `run:promise`.
    pub(crate) life: String,
    /// This connection at the server, so that the next one can end it.
    pub(crate) former: Option<Former>,
}

/// A connection that was, at a server that may have been restarted since.
#[derive(Clone, Debug)]
pub(crate) struct Former {
    run_id: String,
    id: i64,
}

/// Asks who it is, loads the scripts, and tries them: so that what is forbidden shows at once.
pub(crate) async fn greet(
    connection: &mut MultiplexedConnection,
    endpoint: &Endpoint,
    config: &RedisConfig,
    former: Option<&Former>,
    probe: &LogKeys,
) -> Result<Greeting, StartError> {
    let greeting = exchange(connection, endpoint, config, former, probe);
    match tokio::time::timeout(config.connect_timeout, greeting).await {
        Ok(greeted) => greeted,
        Err(_) => Err(endpoint.unreachable("it does not answer")),
    }
}

async fn exchange(
    connection: &mut MultiplexedConnection,
    endpoint: &Endpoint,
    config: &RedisConfig,
    former: Option<&Former>,
    probe: &LogKeys,
) -> Result<Greeting, StartError> {
    let ask = About { endpoint, config };
    let info = ask.one(connection, redis::cmd("INFO")).await?;
    let info = String::from_utf8_lossy(bytes_of(&info)).into_owned();
    check_node(&info, endpoint, config)?;
    // Until it has read its data it says that it writes no file: what it says of its promises is not so yet.
    if field(&info, "loading") == "1" {
        return Err(endpoint.unreachable("it is loading its data"));
    }

    if field(&info, "run_id").is_empty() {
        return Err(endpoint.unreachable("it does not tell its run_id, by which a restart shows"));
    }

    let mut more = Pipeline::new();
    more.cmd("CLIENT").arg("ID");
    more.cmd("CLIENT").arg("SETNAME").arg("ws-gateway");
    more.cmd("CONFIG").arg("GET").arg("appendfsync");
    more.cmd("CONFIG").arg("GET").arg("no-appendfsync-on-rewrite");
    more.cmd("CLUSTER").arg("MYID");
    let known = ask.all(connection, &more).await?;
    let run_id = field(&info, "run_id");
    if let Some(former) = former.filter(|former| former.run_id == run_id) {
        // What the former connection had written and the server had not read yet shall not be done
        // behind what this one writes. Who may not do that has a small chance of it.
        let mut kill = Pipeline::new();
        kill.cmd("CLIENT").arg("KILL").arg("ID").arg(former.id);
        ask.all(connection, &kill).await?;
    }
    let mut load = Pipeline::new();
    scripts::load(&mut load);
    ask.checked(connection, &load).await?;
    ask.checked(connection, &probes(probe, config)).await?;
    let is_always = setting(known.get(2)) == "always" && setting(known.get(3)) == "no";
    let node = known.get(4).map(|id| String::from_utf8_lossy(bytes_of(id)).into_owned());
    let former = match known.first() {
        Some(Value::Int(id)) => Some(Former { run_id: run_id.to_owned(), id: *id }),
        _ => None,
    };
    let life = life(&info, config, is_always, &node.unwrap_or_default());
    Ok(Greeting { life, former })
}

/// Whether it can be used.
pub(crate) fn check_node(
    info: &str,
    endpoint: &Endpoint,
    config: &RedisConfig,
) -> Result<(), StartError> {
    let server = endpoint.label.clone();
    let version = field(info, "redis_version");
    let major: u32 = version.split('.').next().and_then(|part| part.parse().ok()).unwrap_or(0);
    if major < 7 {
        return Err(StartError::Version { server, version: version.into() });
    }
    let is_cluster = field(info, "redis_mode") == "cluster";
    if is_cluster != config.is_cluster {
        return Err(StartError::Mode { server, is_cluster });
    }
    match field(info, "role") {
        "slave" => Err(StartError::Replica { server }),
        _ => Ok(()),
    }
}

/// Of which process it is, and by which promise it is the same one when it is restarted: none, if it
/// may have lost something. A promoted replica gives another one: it may lack what its master had
/// acknowledged.
fn life(info: &str, config: &RedisConfig, is_always: bool, node: &str) -> String {
    let run = field(info, "run_id");
    if config.is_durable {
        return format!("{run}:durable");
    }
    if field(info, "aof_enabled") != "1" || !is_always {
        return format!("{run}:");
    }
    let replaced = field(info, "master_replid2").trim_matches('0');
    match config.is_cluster {
        true => format!("{run}:aof:{node}:{replaced}"),
        false => format!("{run}:aof:{replaced}"),
    }
}

/// Everything that is done later, once, with keys of which nothing stays.
fn probes(keys: &LogKeys, config: &RedisConfig) -> Pipeline {
    let mut append = Script::Append.call(4);
    append.arg(&keys.meta).arg(&keys.entries).arg(&keys.feed).arg(keys.event("e"));
    append.arg("probe:").arg(1).arg(1000).arg(1000);
    append.arg(1).arg(0).arg(config.publish_command()).arg("").arg(1000);
    let mut read = Script::Read.call(2);
    read.arg(&keys.meta).arg(&keys.entries);
    read.arg("probe:").arg(1).arg(1000).arg(1000).arg(0).arg(1).arg(1);
    let mut remove = Script::Remove.call(2);
    remove.arg(&keys.meta).arg(&keys.entries).arg(1);
    let mut pipeline = Pipeline::new();
    pipeline.add_command(append).add_command(read).add_command(remove);
    for (expected, has_value) in [("", 1), ("00000000", 0)] {
        let mut put = Script::Put.call(1);
        put.arg(keys.event("r")).arg(expected).arg("00000000").arg(has_value).arg("");
        pipeline.add_command(put);
    }
    pipeline
}

/// Whom one asks.
struct About<'a> {
    endpoint: &'a Endpoint,
    config: &'a RedisConfig,
}

impl About<'_> {
    async fn one(
        &self,
        connection: &mut MultiplexedConnection,
        command: redis::Cmd,
    ) -> Result<Value, StartError> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        let mut answers = self.checked(connection, &pipeline).await?;
        answers.pop().ok_or_else(|| self.endpoint.unreachable("it answers nothing"))
    }

    /// What it answers, errors too.
    async fn all(
        &self,
        connection: &mut MultiplexedConnection,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>, StartError> {
        let answers = connection.send_packed_commands(pipeline, 0, pipeline.len()).await;
        answers.map_err(|error| StartError::of(&error, &self.endpoint.label, &self.config.prefix))
    }

    /// What it answers, if none is an error.
    async fn checked(
        &self,
        connection: &mut MultiplexedConnection,
        pipeline: &Pipeline,
    ) -> Result<Vec<Value>, StartError> {
        let answers = self.all(connection, pipeline).await?;
        let error = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(error),
            _ => None,
        });
        match error {
            None => Ok(answers),
            Some(error) => Err(refusal(error, self.endpoint, self.config)),
        }
    }
}

/// What a server said that does not do what is needed.
pub(crate) fn refusal(
    error: &redis::ServerError,
    endpoint: &Endpoint,
    config: &RedisConfig,
) -> StartError {
    let (server, reason) = (endpoint.label.clone(), error.to_string());
    match error.code() {
        "NOAUTH" | "WRONGPASS" => StartError::Login { server, reason: reason.into() },
        "READONLY" => StartError::Replica { server },
        _ if is_permission(&reason) => {
            let needed = needed_acl(&config.prefix);
            StartError::Permission { server, reason: reason.into(), needed }
        }
        _ => StartError::Unreachable { server, reason: reason.into() },
    }
}

pub(crate) fn bytes_of(value: &Value) -> &[u8] {
    match value {
        Value::BulkString(bytes) => bytes,
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text.as_bytes(),
        _ => &[],
    }
}

fn field<'a>(info: &'a str, name: &str) -> &'a str {
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim()
}

/// The value that `CONFIG GET` answers; nothing if it may not be asked.
fn setting(answer: Option<&Value>) -> String {
    let value = match answer {
        Some(Value::Map(pairs)) => pairs.first().map(|(_, value)| value),
        Some(Value::Array(parts)) => parts.get(1),
        _ => None,
    };
    value.map(|value| String::from_utf8_lossy(bytes_of(value)).into_owned()).unwrap_or_default()
}
