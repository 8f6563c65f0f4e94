//! The flag `--capture`.

use std::net::SocketAddr;

use clap::ValueEnum;

use crate::model::Capture;

/// How sidecars get hold of their applications' requests, unless an annotation says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CaptureMode {
    /// Applications use the sidecar as their HTTP proxy
    Explicit,
    /// Connections are redirected to the sidecar
    Transparent,
}

impl CaptureMode {
    /// The capture; an explicit one is at `listen`.
    pub(super) fn at(self, listen: SocketAddr) -> Capture {
        match self {
            Self::Explicit => Capture::Explicit(listen),
            Self::Transparent => Capture::Transparent,
        }
    }
}
