//! Whatever the order of events, a client ends with exactly what it asked for.
//!
//! A model client and a session exchange messages through two queues, in random interleavings of publishing,
//! subscribing, dropping, reading, answering, stale answers, waiting and reconnecting, with what the client has or as if
//! it had been restarted. The client rejects a response that holds anything bad as a whole. At the end the world is good,
//! and the queues run dry.

mod client;
mod fixed;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use bytes::Bytes;
use client::Client;
use client::Subs;
use proptest::prelude::*;
use prost::Message;
use tokio::time::Instant;

use super::delta::Delta;
use super::encode::Encoder;
use super::sotw::Sotw;
use super::stream::Response;
use crate::snapshot::Resource;
use crate::snapshot::ResourceType;
use crate::snapshot::Snapshot;
use crate::snapshot::Version;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// The content of each name of each type; 0 is absent, 3 is bad.
type Contents = [[u8; NAMES.len()]; ResourceType::ALL.len()];

#[derive(Clone, Debug)]
enum Op {
    Publish(Contents),
    Subscribe(ResourceType, BTreeSet<&'static str>),
    /// The session is asked for a response.
    Send,
    /// The client reads a response and answers it.
    Read,
    /// The session reads a request.
    Receive,
    Stale(ResourceType),
    Wait(u64),
    /// Whether the client has, and says that it has, what it had.
    Reconnect {
        remembers: bool,
    },
}

/// Fewer than so many events.
fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    let ty = proptest::sample::select(ResourceType::ALL.to_vec());
    let names = proptest::sample::subsequence(vec!["*", "a", "b", "c"], 0..=3);
    let op = prop_oneof![
        3 => any_contents(4).prop_map(Op::Publish),
        4 => (ty.clone(), names).prop_map(|(ty, n)| Op::Subscribe(ty, n.into_iter().collect())),
        6 => Just(Op::Send),
        6 => Just(Op::Read),
        6 => Just(Op::Receive),
        1 => ty.prop_map(Op::Stale),
        1 => (0u64..8_000).prop_map(Op::Wait),
        1 => any::<bool>().prop_map(|remembers| Op::Reconnect { remembers }),
    ];
    proptest::collection::vec(op, 1..most)
}

fn any_contents(kinds: u8) -> impl Strategy<Value = Contents> {
    proptest::array::uniform5(proptest::array::uniform3(0..kinds))
}

fn snapshot(contents: &Contents, before: &Snapshot) -> Arc<Snapshot> {
    let resource = |ty: ResourceType, name: usize| {
        let bad = if contents[ty as usize][name] == 3 {
            "!"
        } else {
            ""
        };
        let body = format!(
            "{ty:?} {} {}{bad}",
            NAMES[name], contents[ty as usize][name]
        );
        let body = Bytes::from(body);
        let version = Version::of(&body);
        (Arc::from(NAMES[name]), Resource { version, body })
    };
    let of = |ty: ResourceType| {
        let there = (0..NAMES.len()).filter(|name| contents[ty as usize][*name] > 0);
        (ty, there.map(|name| resource(ty, name)).collect())
    };
    Arc::new(Snapshot::new(ResourceType::ALL.map(of).into()).after(before))
}

/// A client, a session, and what is on the wire between them.
struct Wire<C: Client> {
    subs: Subs,
    session: C,
    requests: VecDeque<C::Request>,
    responses: VecDeque<C::Response>,
    world: Arc<Snapshot>,
    now: Instant,
}

/// A response as the client reads it.
fn decoded<C: Client>(response: &Response) -> C::Response {
    let message = Encoder::default().message::<C>(response);
    let rest = message.rest.unwrap_or_default();
    let bytes = message.head.slice(5..).chain(rest);
    C::Response::decode(bytes).expect("a valid response")
}

impl<C: Client> Wire<C> {
    /// How it is after these events, which find everything there.
    fn after(ops: Vec<Op>) -> Self {
        let mut wire = Self {
            subs: Subs::new(),
            session: C::default(),
            requests: VecDeque::new(),
            responses: VecDeque::new(),
            world: Arc::default(),
            now: Instant::now(),
        };
        wire.apply(Op::Publish([[1; 3]; 5]));
        for op in ops {
            wire.apply(op);
        }
        wire
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Publish(contents) => {
                self.world = snapshot(&contents, &self.world);
                self.session.set_snapshot(Arc::clone(&self.world), self.now);
            }
            Op::Subscribe(ty, names) => {
                let sub = self.subs.entry(ty).or_default();
                self.requests.push_back(C::ask(sub, ty, &names));
            }
            Op::Send => {
                let response = self.session.next_response(self.now);
                self.responses.extend(response.map(|r| decoded::<C>(&r)));
            }
            Op::Read => {
                let response = self.responses.pop_front();
                self.requests
                    .extend(response.map(|r| C::take(&mut self.subs, r)));
            }
            Op::Receive => {
                if let Some(request) = self.requests.pop_front() {
                    self.session.on_request(request);
                }
            }
            Op::Stale(ty) => {
                let sub = self.subs.get(&ty).filter(|sub| sub.asked);
                self.requests.extend(sub.map(|sub| C::stale(sub, ty)));
            }
            Op::Wait(ms) => self.now += Duration::from_millis(ms),
            Op::Reconnect { remembers } => {
                self.requests.clear();
                self.responses.clear();
                self.session = C::default();
                self.session.set_snapshot(Arc::clone(&self.world), self.now);
                for (ty, sub) in &mut self.subs {
                    if !remembers {
                        sub.forget();
                    }
                    if sub.reconnect() {
                        self.requests.push_back(C::first(sub, *ty));
                        // The first request may carry a nonce of the old stream, later ones do not.
                        sub.nonce.clear();
                    }
                }
            }
        }
    }

    /// Until nobody has anything more to say.
    fn run_dry(&mut self) {
        for _ in 0..500 {
            while !self.requests.is_empty() {
                self.apply(Op::Receive);
            }
            self.apply(Op::Send);
            if self.responses.is_empty() {
                match self.session.deadline(self.now) {
                    Some(deadline) => self.now = deadline,
                    None => return,
                }
            }
            self.apply(Op::Read);
        }
        panic!("the exchange does not end");
    }

    fn check(&self) {
        for (ty, sub) in self.subs.iter().filter(|(_, sub)| sub.asked) {
            let expected = self.world.of(*ty).iter();
            let expected: BTreeMap<&str, &Bytes> = expected
                .filter(|(name, _)| sub.wants(name))
                .map(|(name, resource)| (&**name, &resource.body))
                .collect();
            let held: BTreeMap<&str, &Bytes> = sub
                .held
                .iter()
                .filter(|(name, _)| sub.wants(name))
                .filter(|(name, _)| C::tells_removal(*ty) || expected.contains_key(&***name))
                .map(|(name, (_, body))| (&**name, body))
                .collect();
            assert_eq!(held, expected, "{ty:?} wants {:?}", sub.list());
        }
    }
}

fn ends_with_its_subset<C: Client>(ops: Vec<Op>, last: &Contents) {
    let mut wire = Wire::<C>::after(ops);
    wire.run_dry();
    wire.apply(Op::Publish(*last));
    wire.run_dry();
    wire.check();
}

/// The cases of each test. There are two tests of each variant, so that more than one core is at work.
const CASES: u32 = 5_000;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn a_sotw_client_ends_with_its_subset(ops in ops(60), last in any_contents(3)) {
        ends_with_its_subset::<Sotw>(ops, &last);
    }

    #[test]
    fn a_delta_client_ends_with_its_subset(ops in ops(60), last in any_contents(3)) {
        ends_with_its_subset::<Delta>(ops, &last);
    }

    #[test]
    fn a_sotw_client_of_few_words_ends_with_its_subset(ops in ops(20), last in any_contents(3)) {
        ends_with_its_subset::<Sotw>(ops, &last);
    }

    #[test]
    fn a_delta_client_of_few_words_ends_with_its_subset(ops in ops(20), last in any_contents(3)) {
        ends_with_its_subset::<Delta>(ops, &last);
    }
}
