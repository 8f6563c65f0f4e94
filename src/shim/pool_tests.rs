//! The pool forgets what it does not need.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::super::body::full;
use super::super::task::lifetime;
use super::*;

const MOMENT: Duration = Duration::from_millis(5);

#[tokio::test]
async fn an_address_leaves_nothing_behind() {
    for (idle_timeout, upstream_closes) in
        [(Duration::from_millis(50), false), (Duration::MAX, true)]
    {
        let (_lifetime, tasks) = lifetime();
        let pool = Arc::new(Pool::new(idle_timeout, false, tasks));
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = upstream.local_addr().unwrap();
        let answering = async {
            let (mut stream, _) = upstream.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream
        };
        let request = Request::new(full(""));
        let addresses = [address];
        let asking = pool.http1(&addresses, SETTLE, request);
        let (answer, stream) = tokio::join!(asking, answering);
        let (response, lease) = answer.unwrap();
        drop(response);
        lease.release();
        let emptied = async |expected: bool| {
            while locked(&pool.kept).idle.is_empty() != expected {
                sleep(MOMENT).await;
            }
        };
        timeout(SETTLE, emptied(false)).await.unwrap();
        let _open = (!upstream_closes).then_some(stream);
        timeout(SETTLE, emptied(true)).await.unwrap();
        assert!(locked(&pool.kept).sweeper.is_none());
    }
}
