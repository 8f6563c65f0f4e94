//! The fan-out benchmark: what a change costs when thousands of sidecars hear of it. benches/README.md says more.
//!
//! ```text
//! main ─► driver ─► process ─► plane | floor | go/     the server under test, a process of its own
//!            └────► fleet ──► sidecar ─► wire          the load, in the driver's process, on one thread
//! ```

#![expect(
    clippy::print_stdout,
    reason = "the table, and the answers to the driver"
)]
#![expect(clippy::print_stderr, reason = "progress")]

mod control;
mod driver;
mod fleet;
mod floor;
mod mesh;
mod plane;
mod prepared;
mod process;
mod report;
mod sidecar;
mod wire;

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::mesh::Size;

/// What a change costs when thousands of sidecars hear of it
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    server: Option<Server>,
    #[command(flatten)]
    driver: driver::Args,
}

/// A server under test: started by the driver
#[derive(Debug, clap::Subcommand)]
enum Server {
    /// This control plane
    Mirrorplane {
        #[command(flatten)]
        size: Size,
        /// Where to listen
        #[arg(long)]
        address: SocketAddr,
    },
    /// A bare tonic server
    Floor {
        /// The file of prepared resources
        #[arg(long)]
        prepared: PathBuf,
        /// Groups in it
        #[arg(long)]
        groups: usize,
        /// Where to listen
        #[arg(long)]
        address: SocketAddr,
    },
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.server {
        // The runtime of `mirrorplane serve`.
        Some(Server::Mirrorplane { size, address }) => Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(plane::run(address, size)),
        Some(Server::Floor {
            prepared,
            groups,
            address,
        }) => Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(floor::run(address, &prepared, groups)),
        None => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let report = LocalSet::new().block_on(&runtime, driver::run(&cli.driver))?;
            report.print();
            if let Some(path) = &cli.driver.output {
                serde_json::to_writer_pretty(File::create(path)?, &report)?;
            }
            Ok(())
        }
    }
}
