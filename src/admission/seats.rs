//! How many connections there may be. Whoever reaches the port may connect, so one peer must not take the place of all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::Semaphore;

use super::body::Room;
use super::stats::Away;

/// Connections at a time. API servers are few, and keep theirs.
pub(super) const ALL: usize = 128;
/// Connections of one address at a time.
pub(super) const OF_ONE: usize = 32;

/// What is taken by whom.
#[derive(Debug)]
pub(super) struct Seats {
    /// Bytes of questions that may be held at a time.
    bytes: Arc<Semaphore>,
    taken: Mutex<HashMap<IpAddr, Peer>>,
}

#[derive(Debug)]
struct Peer {
    connections: usize,
    bytes: Arc<Semaphore>,
}

/// The place of one connection; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    address: IpAddr,
    /// Where its questions are held.
    pub(super) room: Room,
}

impl Seats {
    /// All of them free.
    pub(super) fn new() -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(Room::ALL)),
            taken: Mutex::default(),
        }
    }

    /// A place for a connection from this address.
    ///
    /// # Errors
    ///
    /// If there is none, neither now nor later: who waits would hold a connection too.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Seat, Away> {
        let address = address.to_canonical();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().map(|peer| peer.connections).sum();
        let of_one = taken.get(&address).map_or(0, |peer| peer.connections);
        if of_one >= OF_ONE {
            return Err(Away::Share);
        }
        if all >= ALL {
            return Err(Away::Full);
        }
        let peer = taken.entry(address).or_insert_with(|| Peer {
            connections: 0,
            bytes: Arc::new(Semaphore::new(Room::OF_ONE)),
        });
        peer.connections += 1;
        let room = Room::new(Arc::clone(&self.bytes), Arc::clone(&peer.bytes));
        Ok(Seat {
            seats: Arc::clone(self),
            address,
            room,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let taken = self.seats.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        if let Some(peer) = taken.get_mut(&self.address) {
            peer.connections -= 1;
            if peer.connections == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::ALL;
    use super::Away;
    use super::OF_ONE;
    use super::Seats;

    #[test]
    fn one_peer_has_its_share_and_all_have_an_end() {
        let seats = Arc::new(Seats::new());
        let address = |last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last));
        let mut held: Vec<_> = (0..OF_ONE)
            .map(|_| seats.take(address(1)).unwrap())
            .collect();
        assert_eq!(seats.take(address(1)).unwrap_err(), Away::Share);
        let mapped = Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped();
        assert_eq!(seats.take(mapped.into()).unwrap_err(), Away::Share);
        for number in OF_ONE..ALL {
            let last = u8::try_from(number).unwrap();
            held.push(seats.take(address(last)).unwrap());
        }
        assert_eq!(seats.take(address(255)).unwrap_err(), Away::Full);
        drop(held);
        assert!(seats.take(address(1)).is_ok());
        assert!(seats.taken.lock().unwrap().is_empty());
    }
}
