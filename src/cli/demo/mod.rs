//! `mirrorplane demo`: everything in one process, on loopback, in half a minute.

mod caller;
mod data_plane;
mod mesh;
mod service;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use self::data_plane::DataPlane;
use self::mesh::Mesh;
use self::service::Service;
use super::delivery;
use super::output::print;
use crate::app;
use crate::model::Fraction;
use crate::resolve::Settings;
use crate::server::Stats;
use crate::sidecar::Bootstrap;
use crate::sidecar::ControlPlane;
use crate::snapshot::ResourceType;
use crate::source::Source;

/// Where the caller's requests go; only the sidecar knows the name.
const URL: &str = "http://pipy-ok-v1.pipy:8080/";
/// How long a change may take, from the file to the sidecar, before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// When no copy has arrived for so long, the last one has.
const QUIET: Duration = Duration::from_millis(300);

/// Show mirroring at work: control plane, sidecar and two services in one process
///
/// Sends requests to pipy-ok-v1, of which pipy-ok-v2 gets copies: all of them, then a quarter, then none. Then waits for
/// your own requests.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane demo
  mirrorplane demo --once
  mirrorplane demo --envoy /usr/local/bin/envoy")]
pub(super) struct Args {
    /// A real Envoy as the sidecar, instead of the built-in shim
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// Stop after the three steps; exit with 0 if the shares were right, else 1
    #[arg(long)]
    once: bool,
    /// Incremental xDS instead of state-of-the-world
    #[arg(long)]
    delta: bool,
    /// Requests in each step
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    super::block_on(async {
        tokio::select! {
            result = show(&args) => result,
            () = super::asked_to_stop() => Ok(ExitCode::SUCCESS),
        }
    })
}

/// The parts that the steps need.
struct Stage {
    live: Service,
    shadow: Service,
    mesh: Mesh,
    stats: Arc<Stats>,
    proxy: SocketAddr,
    requests: usize,
}

async fn show(args: &Args) -> anyhow::Result<ExitCode> {
    let live = Service::start("pipy-ok-v1").await?;
    let shadow = Service::start("pipy-ok-v2").await?;
    let mesh = Mesh::write(live.address, shadow.address)?;
    let work = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let control_plane = listener.local_addr()?;
    let proxy = proxy_address().await?;
    let stats = Arc::new(Stats::default());
    let config = app::Config {
        webhook: None,
        source: Source::Folder(mesh.path().to_owned()),
        entrance: listener.into(),
        settings: Settings { listen: proxy },
        rollout: Default::default(),
        stats: Arc::clone(&stats),
        admin: None,
    };

    let sidecar = if args.envoy.is_some() {
        "Envoy"
    } else {
        "shim"
    };
    print(format_args!(
        "services       {} on {}, {} on {}",
        live.name, live.address, shadow.name, shadow.address
    ))?;
    print(format_args!(
        "control plane  {control_plane}, reads {}",
        mesh.path().display()
    ))?;
    print(format_args!(
        "sidecar        {sidecar} of curl/curl, HTTP proxy on {proxy}"
    ))?;

    let bootstrap = Bootstrap {
        node_id: "curl/curl".to_owned(),
        node_cluster: "mirrorplane-demo".to_owned(),
        control_plane: ControlPlane::Address(control_plane),
        delivery: delivery(args.delta),
        tls: None,
        token: None,
        admin: None,
    };
    let story = async {
        // Held until the story ends: dropping it stops the sidecar.
        let _sidecar =
            DataPlane::start(&bootstrap, args.envoy.as_deref(), work.path(), proxy).await?;
        let stage = Stage {
            live,
            shadow,
            mesh,
            stats,
            proxy,
            requests: args.requests as usize,
        };
        let right = stage.three_steps().await?;
        if !args.once {
            stage.wait_for_the_user().await?;
        }
        Ok(if right {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    };
    tokio::select! {
        result = app::run(config, std::future::pending()) => {
            result?;
            bail!("the control plane ended");
        }
        result = story => result,
    }
}

impl Stage {
    async fn three_steps(&self) -> anyhow::Result<bool> {
        print(format_args!(
            "\nThe caller asks for {URL} {} times in each step.\n",
            self.requests
        ))?;
        print(
            "asked      live answers   copies   seen       pushes: cluster endpoint listener route runtime",
        )?;
        let mut right = true;
        for millionths in [1_000_000, 250_000, 0] {
            let share = Fraction::from_millionths(millionths).unwrap_or_default();
            right &= self.step(share).await?;
            if share == Fraction::ONE {
                self.show_access_logs()?;
            }
        }
        let verdict = if right {
            "The shares are right, and no route was pushed to change them."
        } else {
            "The shares are wrong."
        };
        print(format_args!("\n{verdict}"))?;
        Ok(right)
    }

    /// Sets the share, sends the requests, prints a line; whether all was as it should be.
    async fn step(&self, share: Fraction) -> anyhow::Result<bool> {
        let before = self.pushes();
        let first = share == Fraction::ONE;
        if !first {
            self.set_share(share).await?;
        }
        let after = self.pushes();
        let copies_before = self.shadow.requests();
        let answers = caller::send(self.proxy, URL, self.requests, self.live.name).await?;
        let copies = self.copies_since(copies_before).await;
        let seen = copies as f64 / self.requests as f64;
        let pushed: Vec<usize> = after
            .iter()
            .zip(&before)
            .map(|(after, before)| after - before)
            .collect();
        let columns = if first {
            "(start)".to_owned()
        } else {
            format!("{pushed:?}")
        };
        print(format_args!(
            "{:<10} {:<14} {:<8} {:<10} {columns}",
            share.to_string(),
            answers.live,
            copies,
            format!("{:.2}%", seen * 100.0),
        ))?;
        let only_runtime = first || pushed.iter().take(4).all(|pushes| *pushes == 0);
        Ok(answers.wrong == 0 && only_runtime && is_plausible(share, copies, self.requests))
    }

    /// Edits the file and waits until the sidecar has acknowledged the new value.
    async fn set_share(&self, share: Fraction) -> anyhow::Result<()> {
        let acknowledged = self.stats.acked(ResourceType::Runtime);
        self.mesh.mirror(share)?;
        let deadline = Instant::now() + PATIENCE;
        while self.stats.acked(ResourceType::Runtime) == acknowledged {
            if Instant::now() > deadline {
                bail!("the sidecar has not acknowledged the new share after {PATIENCE:?}");
            }
            sleep(Duration::from_millis(5)).await;
        }
        // An Envoy acknowledges before its worker threads have the value.
        sleep(Duration::from_millis(100)).await;
        Ok(())
    }

    /// How many copies arrived since `before`, once no more are coming.
    async fn copies_since(&self, before: usize) -> usize {
        let mut copies = self.shadow.requests();
        loop {
            sleep(QUIET).await;
            let now = self.shadow.requests();
            if now == copies {
                return copies - before;
            }
            copies = now;
        }
    }

    fn pushes(&self) -> Vec<usize> {
        ResourceType::ALL
            .iter()
            .map(|ty| usize::try_from(self.stats.pushed(*ty)).unwrap_or(usize::MAX))
            .collect()
    }

    fn show_access_logs(&self) -> anyhow::Result<()> {
        for service in [&self.live, &self.shadow] {
            for line in service.first_lines() {
                print(format_args!("  {} | {line}", service.name))?;
            }
            print(format_args!("  {} | ...", service.name))?;
        }
        Ok(())
    }

    async fn wait_for_the_user(&self) -> anyhow::Result<()> {
        self.set_share(Fraction::ONE).await?;
        self.live.speak();
        self.shadow.speak();
        print(format_args!(
            "\nEverything is mirrored again. Try it (Ctrl-C ends the demo):\n"
        ))?;
        print(format_args!("  curl --proxy http://{} {URL}", self.proxy))?;
        print(format_args!(
            "  edit percentage.value in {}\n",
            self.mesh.path().join("mirror.yaml").display()
        ))?;
        std::future::pending().await
    }
}

/// Whether so many copies of so many requests are what the share asks for: within four standard deviations.
fn is_plausible(share: Fraction, copies: usize, requests: usize) -> bool {
    let p = f64::from(share.millionths()) / f64::from(Fraction::ONE.millionths());
    let n = requests as f64;
    (copies as f64 - n * p).abs() <= 4.0 * (n * p * (1.0 - p)).sqrt()
}

/// The usual address of a sidecar, or a free one if it is taken.
async fn proxy_address() -> anyhow::Result<SocketAddr> {
    let usual = SocketAddr::from(([127, 0, 0, 1], 15001));
    let listener = match TcpListener::bind(usual).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind("127.0.0.1:0").await?,
    };
    Ok(listener.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::is_plausible;
    use crate::model::Fraction;

    #[test]
    fn a_share_of_everything_or_nothing_is_exact() {
        assert!(is_plausible(Fraction::ONE, 100, 100));
        assert!(!is_plausible(Fraction::ONE, 99, 100));
        assert!(is_plausible(Fraction::ZERO, 0, 100));
        assert!(!is_plausible(Fraction::ZERO, 1, 100));
    }

    #[test]
    fn a_quarter_is_a_quarter_within_four_sigma() {
        let quarter = Fraction::from_millionths(250_000).unwrap();
        assert!(is_plausible(quarter, 1000, 4000));
        assert!(is_plausible(quarter, 1109, 4000));
        assert!(!is_plausible(quarter, 1110, 4000));
    }
}
