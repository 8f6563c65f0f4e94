//! The address of a Service, as kube-proxy makes it work: a connection goes to one of those that are there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A virtual address; dropping it takes it away.
#[derive(Debug)]
pub(crate) struct VirtualAddress {
    backends: Arc<Mutex<Vec<SocketAddr>>>,
    task: JoinHandle<()>,
}

impl VirtualAddress {
    /// Forwards the connections of this socket to servers on this machine.
    pub(crate) fn new(listener: TcpListener, backends: Vec<SocketAddr>) -> Self {
        let backends = Arc::new(Mutex::new(backends));
        let task = tokio::spawn(forward(listener, Arc::clone(&backends)));
        Self { backends, task }
    }

    /// From now on, others.
    pub(crate) fn set(&self, backends: Vec<SocketAddr>) {
        *self.backends.lock().unwrap() = backends;
    }
}

impl Drop for VirtualAddress {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, backends: Arc<Mutex<Vec<SocketAddr>>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut choice = backends.lock().unwrap().clone();
        fastrand::shuffle(&mut choice);
        tokio::spawn(async move {
            for backend in choice {
                if let Ok(mut server) = TcpStream::connect(backend).await {
                    // Either side may go away at any time.
                    copy_bidirectional(&mut client, &mut server).await.ok();
                    return;
                }
            }
        });
    }
}
