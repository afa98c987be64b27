//! The gateway's binary: configuration, components, signals.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its terminal")]

use std::{net::TcpListener, process::ExitCode, sync::Arc};

use ws_auth::{Secret, TokenRequest};
use ws_gateway::{
    Files, Gateway, Hangups, ReloadError, Reloader, Signals, compose,
    config::{self, Command, Config, ConnectArgs, Loaded, TokenArgs},
    inherited::{self, InheritedError},
    logging,
    notify::{self, Notifier, Stage},
    open_files, terminal,
};

/// What a crowd of idle connections takes is small objects of a few sizes, a large one of them aligned
/// to cache lines; and when it has gone, its memory is to go, too.
#[cfg(all(feature = "jemalloc", target_os = "linux"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let files = Files::default();
    match load(&files) {
        Ok(Command::Serve(loaded)) => serve(&within_files(loaded), files),
        Ok(Command::Token(arguments, loaded)) => token(&arguments, &loaded),
        Ok(Command::CheckConfig(loaded)) => check_config(&loaded),
        Ok(Command::ShowExample) => {
            print!("{}", config::example());
            ExitCode::SUCCESS
        }
        Ok(Command::ShowConfig(loaded)) => {
            print!("{loaded}");
            ExitCode::SUCCESS
        }
        Ok(Command::Connect(arguments)) => connect(&arguments),
        Ok(Command::Inspect(arguments, reach)) => terminal::inspect(&arguments, &reach),
        Ok(Command::Health { is_ready_asked, loaded }) => health(is_ready_asked, &loaded),
        Err(config::LoadError::Usage(usage)) => usage.exit(),
        Err(faults) => {
            eprintln!("{faults}");
            ExitCode::from(faults.exit_code())
        }
    }
}

fn load(files: &Files) -> Result<Command, config::LoadError> {
    config::load(std::env::args_os(), std::env::vars_os(), |path| files.read(path))
}

/// The same command line and environment once more, and the file as it is now.
fn load_again(files: &Files) -> Result<Loaded, ReloadError> {
    match load(files)? {
        Command::Serve(loaded) => Ok(within_files(loaded)),
        // The command line is what it was when it said to serve.
        _ => Err(ReloadError::NoSource),
    }
}

/// Who sets no limit on connections means as many as there can be: one more is to be told so by us, and not to
/// wait for a file that there is none of.
fn within_files(mut loaded: Loaded) -> Loaded {
    let connections_max = &mut loaded.config.limits.connections_max;
    *connections_max = connections_max.or_else(|| open_files::room(open_files::raise_limit()));
    loaded
}

fn serve(loaded: &Loaded, files: Files) -> ExitCode {
    // While this is the only thread.
    let listener = inherited::take_listener();
    // First here, and so the last to go: every way out of this function writes what was logged.
    let log = match logging::start(&loaded.config.log) {
        Ok(log) => log,
        Err(error) => return fail(&format!("cannot start the log: {error}")),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let manager = match Notifier::new(std::env::var_os(notify::VARIABLE)) {
        Ok(manager) => Arc::new(manager),
        Err(error) => return fail(&format!("{}: {error}", notify::VARIABLE)),
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = loaded.config.server.worker_threads {
        runtime.worker_threads(threads.get());
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    let code = runtime.block_on(async {
        let mut signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => return fail(&format!("cannot listen for signals: {error}")),
        };
        let hangups = match Hangups::listen() {
            Ok(hangups) => hangups,
            Err(error) => return fail(&format!("cannot listen for SIGHUP: {error}")),
        };
        let gateway = match open(loaded.config.clone(), listener).await {
            Ok(gateway) => gateway,
            Err(sentence) => return fail(&sentence),
        };
        announce(&gateway);
        let again = move || load_again(&files);
        let reloader = gateway.reloader().reading(loaded, again).with_level(log.level());
        manager.tell(Stage::Ready);
        // In a task of its own: a file that cannot be had, as on a server that is away, must not keep
        // anybody from ending this.
        let reloading = tokio::spawn(reload_on_hangup(hangups, reloader, manager.clone()));

        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut running = std::pin::pin!(gateway.run_until(async {
            let _ = stopped.await;
        }));
        let signal = tokio::select! {
            report = &mut running => return done(&report),
            signal = signals.next() => signal,
        };
        reloading.abort();
        tracing::info!(signal, "closing all connections; a second signal ends at once");
        manager.tell(Stage::Stopping);
        let _ = stop.send(());
        tokio::select! {
            report = &mut running => done(&report),
            signal = signals.next() => {
                tracing::warn!(signal, "ending at once");
                ExitCode::from(1)
            }
        }
    });
    // At once: a name that is being looked up in a thread of its own would be waited for otherwise.
    runtime.shutdown_background();
    code
}

async fn open(
    config: Config,
    listener: Result<Option<TcpListener>, InheritedError>,
) -> Result<Gateway, String> {
    let listener = listener.map_err(|error| error.to_string())?;
    let files_max = open_files::raise_limit();
    open_files::check(config.limits.connections_max, files_max)
        .map_err(|error| error.to_string())?;
    if let Some(files_max) = files_max {
        tracing::debug!(files_max, "files that may be open");
    }
    Gateway::open_on(config, listener).await.map_err(|error| error.to_string())
}

/// What comes of it is in the log.
async fn reload_on_hangup(mut hangups: Hangups, reloader: Reloader, manager: Arc<Notifier>) {
    loop {
        hangups.next().await;
        manager.tell(Stage::Reloading);
        let reloader = reloader.clone();
        // Files are read, and that may take a while: not where connections are served.
        let _ = tokio::task::spawn_blocking(move || reloader.read_again()).await;
        manager.tell(Stage::Ready);
    }
}

fn announce(gateway: &Gateway) {
    tracing::info!(address = %gateway.address(), "listening");
    // For the person who typed `--dev`: on standard output, never in a log.
    for address in [gateway.dev_address(), gateway.console_address()].into_iter().flatten() {
        println!("{address}");
    }
}

fn done(report: &ws_close_manager::CloseReport) -> ExitCode {
    tracing::info!(%report, "closed");
    ExitCode::SUCCESS
}

fn fail(sentence: &str) -> ExitCode {
    // A filter on the log must not silence the reason why nothing runs.
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("{sentence}");
    } else {
        eprintln!("{sentence}");
    }
    ExitCode::FAILURE
}

fn check_config(loaded: &Loaded) -> ExitCode {
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start the runtime: {error}")),
    };
    // Within it, as at the start.
    let faults = runtime.block_on(async { compose::check(&loaded.config) });
    if !faults.is_empty() {
        eprintln!("{}", faults.join("\n"));
        return ExitCode::from(config::EXIT_BAD_CONFIGURATION);
    }
    println!("the configuration is sound");
    ExitCode::SUCCESS
}

fn health(is_ready_asked: bool, loaded: &Loaded) -> ExitCode {
    match ws_gateway::health(&loaded.config, is_ready_asked) {
        Ok(body) => {
            println!("{body}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The client's end of a tunnel. All that it says but bytes of the target goes to standard error.
fn connect(arguments: &ConnectArgs) -> ExitCode {
    let read = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let token = match arguments.token_file.as_ref().map(read).transpose() {
        Ok(token) => token.or_else(|| std::env::var("WS_GATEWAY_TOKEN").ok()),
        Err(sentence) => return fail(&sentence),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return fail("cannot start the runtime") };
    let token = token.as_deref().map(str::trim).filter(|token| !token.is_empty());
    let connected = runtime.block_on(ws_gateway::connect(&arguments.address, token));
    // Standard input may be waited for in a thread of its own, for ever.
    runtime.shutdown_background();
    match connected {
        Ok(_) => ExitCode::SUCCESS,
        // Part of it may be a server's own words.
        Err(error) => fail(&terminal::printable(&error.to_string())),
    }
}

fn token(arguments: &TokenArgs, loaded: &Loaded) -> ExitCode {
    let auth = &loaded.config.auth;
    let Some(secret) = &auth.secret else {
        eprintln!("JWT_SECRET_KEY is not set: tokens are signed with it");
        return ExitCode::from(config::EXIT_BAD_CONFIGURATION);
    };
    let minter = match compose::minter(&loaded.config, &Secret::new(secret.expose())) {
        Ok(minter) => minter,
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::from(config::EXIT_BAD_CONFIGURATION);
        }
    };
    let mut request = TokenRequest::new(arguments.user.as_str()).ttl(arguments.ttl);
    if let Some(tier) = &arguments.tier {
        request = request.claim(auth.tier_claim.as_str(), tier.as_str());
    }
    #[expect(clippy::disallowed_methods, reason = "the binary's edge")]
    let now = std::time::SystemTime::now();
    match minter.mint(&request, now) {
        Ok(token) => {
            println!("{}", token.expose());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
