//! The same TLS configuration for other protocols.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

/// Each configuration that comes, offering these protocols (ALPN), the preferred one first. It ends with its source, and
/// when nobody reads it any more.
pub fn speaking(
    mut configs: watch::Receiver<Arc<ServerConfig>>,
    protocols: &[&[u8]],
) -> watch::Receiver<Arc<ServerConfig>> {
    let protocols: Vec<Vec<u8>> = protocols.iter().map(|name| name.to_vec()).collect();
    let change = move |config: &ServerConfig| {
        let mut config = config.clone();
        config.alpn_protocols.clone_from(&protocols);
        Arc::new(config)
    };
    let (sender, receiver) = watch::channel(change(&configs.borrow_and_update()));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = configs.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
            }
            let next = change(&configs.borrow_and_update());
            sender.send_replace(next);
        }
    });
    receiver
}
