//! A question is read, as far as there is room: nobody needs a credential to send one.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use bytes::BytesMut;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::stats::Away;

/// The largest question, in bytes: an object twice, each as large as etcd takes it, and room to spare.
pub(super) const LARGEST: usize = 4 << 20;
/// How long a question may take to arrive, and to find room.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where questions are held until they are answered.
#[derive(Clone, Debug)]
pub(super) struct Room {
    all: Arc<Semaphore>,
    of_one: Arc<Semaphore>,
}

/// A question, and the room that it takes.
#[derive(Debug)]
pub(super) struct Question {
    read: BytesMut,
    held: Held,
}

/// Bytes that are taken; free again when it is dropped.
#[derive(Debug)]
struct Held {
    room: Room,
    bytes: usize,
}

impl Room {
    /// Bytes for all peers together.
    pub(super) const ALL: usize = 32 << 20;
    /// Bytes for one of them.
    pub(super) const OF_ONE: usize = Self::ALL / 2;

    /// Room among all, and among what is of one peer.
    pub(super) fn new(all: Arc<Semaphore>, of_one: Arc<Semaphore>) -> Self {
        Self { all, of_one }
    }
}

impl Held {
    async fn add(&mut self, bytes: usize) -> Result<(), Away> {
        let more = u32::try_from(bytes).map_err(|_| Away::Large)?;
        // Its own first: who waits for that keeps nothing from the others.
        let of_one = self.room.of_one.acquire_many(more).await;
        let of_one = of_one.map_err(|_| Away::Broken)?;
        let all = self.room.all.acquire_many(more).await;
        let all = all.map_err(|_| Away::Broken)?;
        of_one.forget();
        all.forget();
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.of_one.add_permits(self.bytes);
        self.room.all.add_permits(self.bytes);
    }
}

impl Question {
    /// What was sent; its room is free when the second part is dropped.
    pub(super) fn parts(self) -> (Bytes, impl Sized + Send) {
        (self.read.freeze(), self.held)
    }
}

/// Reads a question to its end. Room is taken as its bytes arrive, so that an announcement alone takes none.
///
/// # Errors
///
/// If it is too large, too slow or breaks off.
pub(super) async fn read<B>(body: B, room: Room) -> Result<Question, Away>
where
    B: Body<Data = Bytes>,
    B::Error: fmt::Display,
{
    let reading = async {
        let mut body = pin!(body);
        let mut question = Question {
            read: BytesMut::new(),
            held: Held { room, bytes: 0 },
        };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Away::Broken)?;
            let Ok(data) = frame.into_data() else {
                continue; // Trailers say nothing here.
            };
            if question.read.len() + data.len() > LARGEST {
                return Err(Away::Large);
            }
            question.held.add(data.len()).await?;
            question.read.extend_from_slice(&data);
        }
        Ok(question)
    };
    timeout(PATIENCE, reading).await.unwrap_or(Err(Away::Slow))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use http_body_util::Full;
    use tokio::sync::Semaphore;

    use super::Away;
    use super::LARGEST;
    use super::Room;
    use super::read;

    fn body(length: usize) -> Full<Bytes> {
        Full::new(Bytes::from(vec![b' '; length]))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_has_a_limit() {
        let all = Arc::new(Semaphore::new(Room::ALL));
        let of_one = || Room::new(Arc::clone(&all), Arc::new(Semaphore::new(Room::OF_ONE)));
        let first = of_one();
        let large = read(body(LARGEST + 1), first.clone()).await;
        assert_eq!(large.unwrap_err(), Away::Large);
        let mut held = Vec::new();
        for _ in 0..Room::OF_ONE / LARGEST {
            held.push(read(body(LARGEST), first.clone()).await.unwrap());
        }
        // One peer has its share; others go on until the room is full.
        let more = read(body(1), first.clone()).await;
        assert_eq!(more.unwrap_err(), Away::Slow);
        let second = of_one();
        while all.available_permits() > 0 {
            held.push(read(body(LARGEST), second.clone()).await.unwrap());
        }
        assert_eq!(read(body(1), of_one()).await.unwrap_err(), Away::Slow);
        drop(held);
        assert_eq!(all.available_permits(), Room::ALL);
        let (question, _held) = read(body(7), first).await.unwrap().parts();
        assert_eq!(question.len(), 7);
    }
}
