//! The stand-in service: takes the place of an application whose code a system does not give, and
//! rehearses its failures.
//!
//! With `PORT` it is an HTTP server, without it a worker that only keeps a heartbeat. It is the
//! application inside the platform, so its times are real milliseconds whatever the pace.

mod answer;
mod check;
mod config;
mod heartbeat;
mod log;
mod query;
mod rehearsal;
mod server;
mod stop;
mod websocket;
mod worker;

use std::process::ExitCode;

use config::{Config, Role};

/// Runs the service until it is told to stop.
pub(crate) fn serve() -> ExitCode {
    let config = match Config::read(&|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => {
            log::failure(&error.to_string());
            return ExitCode::from(2);
        }
    };
    // One thread: dozens of these share two cores. Burning CPU and filling memory happen on
    // helper threads, so that health checks are still answered meanwhile.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(8).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            log::failure(&format!("cannot start the runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let config = std::sync::Arc::new(config);
    let outcome = runtime.block_on(async {
        rehearsal::exit_when_told(&config);
        match config.role {
            Role::Server { .. } => server::run(config.clone()).await,
            Role::Worker => worker::run(config.clone()).await,
        }
    });
    // A helper thread may still burn; nobody waits for it.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The health check run inside the container: exit 0 healthy, 1 not.
pub(crate) fn check() -> ExitCode {
    match Config::read(&|name| std::env::var(name).ok())
        .map_err(anyhow::Error::from)
        .and_then(|config| check::run(&config))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::out::note(&format!("unhealthy: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}
