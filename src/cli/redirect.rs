//! `mirrorplane redirect`.

use std::process::ExitCode;

use super::output;
use crate::sidecar::IpFamilies;
use crate::sidecar::redirect;
use crate::sidecar::redirect::Cidr;
use crate::sidecar::redirect::Rules;

/// Redirect outbound TCP connections to a sidecar with transparent capture
///
/// Applies to the network namespace that it runs in, and needs root there. Run again, it replaces what it did before; rules
/// of others are never touched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane redirect --print
  mirrorplane redirect --ip-families dual --exclude-ports 3306,6379
  mirrorplane redirect --include-cidrs 10.96.0.0/12
  mirrorplane redirect --remove")]
pub(super) struct Args {
    /// User id of the sidecar, whose own connections are left alone
    #[arg(long, value_name = "UID", default_value_t = 1500)]
    proxy_uid: u32,
    /// Group id whose connections are left alone as well
    #[arg(long, value_name = "GID")]
    proxy_gid: Option<u32>,
    /// Address families that are redirected; the same as for `bootstrap`
    #[arg(long, value_enum, default_value_t = IpFamilies::Ipv4)]
    ip_families: IpFamilies,
    /// Destination ports that are left alone
    #[arg(long, value_name = "PORT,...", value_delimiter = ',')]
    exclude_ports: Vec<u16>,
    /// Destination networks that are left alone
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',')]
    exclude_cidrs: Vec<Cidr>,
    /// Destination networks that alone are redirected [default: all]
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',')]
    include_cidrs: Vec<Cidr>,
    /// What carries out the rules; auto is nft if the kernel takes the rules from it, else iptables
    #[arg(long, value_enum, default_value_t = Backend::Auto)]
    backend: Backend,
    /// Take away what was applied
    #[arg(long)]
    remove: bool,
    /// Print what would be applied, and apply nothing
    #[arg(long, conflicts_with = "remove")]
    print: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Backend {
    Auto,
    Nft,
    Iptables,
}

impl Backend {
    fn named(self) -> Option<redirect::Backend> {
        match self {
            Self::Auto => None,
            Self::Nft => Some(redirect::Backend::Nft),
            Self::Iptables => Some(redirect::Backend::Iptables),
        }
    }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let named = args.backend.named();
    if args.remove {
        redirect::remove(named)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rules = Rules {
        families: args.ip_families,
        proxy_uid: args.proxy_uid,
        proxy_gid: args.proxy_gid,
        exclude_ports: args.exclude_ports,
        exclude: args.exclude_cidrs,
        include: args.include_cidrs,
    };
    if args.print {
        // Whoever prints need not be allowed to ask the kernel.
        let backend = match named {
            Some(backend) => backend,
            None => redirect::Backend::installed()?,
        };
        output::print(redirect::preview(&rules, backend).trim_end())?;
    } else {
        redirect::apply(&rules, named)?;
    }
    Ok(ExitCode::SUCCESS)
}
