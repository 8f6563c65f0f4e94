//! Sequences that once went wrong, as short as they can be.

use super::Contents;
use super::NAMES;
use super::Op;
use super::Wire;
use super::client::Client;
use super::ends_with_its_subset;
use crate::server::delta::Delta;
use crate::server::sotw::Sotw;
use crate::snapshot::ResourceType;

const NOTHING: Contents = [[0; NAMES.len()]; ResourceType::ALL.len()];

/// Other clusters, in the order of their names; nothing else is there.
fn clusters(contents: [u8; NAMES.len()]) -> Op {
    let mut all = NOTHING;
    all[ResourceType::Cluster as usize] = contents;
    Op::Publish(all)
}

fn ask<const N: usize>(names: [&'static str; N]) -> Op {
    Op::Subscribe(ResourceType::Cluster, names.into())
}

/// What of the state of the world is not there is gone. A client that rejects such a response for the sake of another
/// name still has what is gone, and is to be told so again when it gives that name up.
#[test]
fn an_absence_that_was_rejected_for_a_name_given_up_is_told_again() {
    let ops = vec![
        ask(["b", "c"]),
        Op::Receive,
        Op::Send,
        Op::Read,
        clusters([0, 0, 3]),
        // The session does not know what the client has.
        Op::Reconnect { remembers: true },
        Op::Receive,
        Op::Send,
        Op::Read,
        Op::Receive,
        ask(["b"]),
    ];
    ends_with_its_subset::<Sotw>(ops.clone(), &NOTHING);
    ends_with_its_subset::<Delta>(ops, &NOTHING);
}

/// The same, if the removal is in two responses: the answer to the first is stale, and so says nothing of it.
#[test]
fn a_removal_is_rejected_with_the_last_response_that_tells_it() {
    let ops = vec![
        ask(["a", "b", "c"]),
        Op::Receive,
        Op::Send,
        Op::Read,
        Op::Receive,
        clusters([1, 0, 3]),
        Op::Send,
        clusters([2, 0, 3]),
        Op::Send,
        Op::Read,
        Op::Read,
        Op::Receive,
        Op::Receive,
        ask(["b"]),
    ];
    ends_with_its_subset::<Sotw>(ops.clone(), &NOTHING);
    ends_with_its_subset::<Delta>(ops, &NOTHING);
}

/// A client that gives up everything, and wants everything again before it has read what was on its way: a resource, and
/// then its end. If it rejects the latter, it has the resource still, and is to be told again.
#[test]
fn an_end_on_its_way_outlives_the_wildcard() {
    let everything = || ask(["*"]);
    let ops = vec![
        everything(),
        ask([]),
        everything(),
        Op::Receive,
        Op::Send,
        clusters([0, 0, 3]),
        Op::Send,
    ];
    ends_with_its_subset::<Sotw>(ops.clone(), &NOTHING);
    ends_with_its_subset::<Delta>(ops, &NOTHING);
}

fn remembered<C: Client>(ops: Vec<Op>) -> usize {
    Wire::<C>::after(ops).session.report().len()
}

/// A client that asks for ever other names and answers nothing does not fill the memory with names that never existed.
#[test]
fn an_absence_is_forgotten_with_the_name() {
    let mut ops = vec![clusters([0; 3])];
    for name in NAMES {
        ops.extend([ask([name]), Op::Receive, Op::Send]);
    }
    assert_eq!(remembered::<Sotw>(ops.clone()), 1);
    assert_eq!(remembered::<Delta>(ops), 1);
}
