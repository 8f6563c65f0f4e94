//! A shadow in trouble never hurts the primary: every trouble, with every kind of request.
//!
//! Here a few requests of each, and what is said of them holds whatever the machine does meanwhile. Times are a matter of
//! `benches/faults`, which has these modules too.

mod field;
mod live;
mod loads;
mod trouble;
mod uploads;

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::rig::eventually;
use crate::rig::sidecar::{Kind, Plane};
use field::Field;
use loads::{Callers, Load};
use trouble::Trouble;

/// The most copies of a rule that are under way.
const COPIES: u64 = 64;
/// How many of the connections that a shadow counts may be of copies that have ended: it hears of their end a little later.
const ENDING: u64 = 8;
/// How much a sidecar may grow, in KiB. One rule's copies may hold 128 MiB, of which these few requests fill a part.
const GROWTH: u64 = 384 * 1024;

/// How many requests, and how many milliseconds from one to the next. Of those that are copied more than can be under way.
fn amount(load: Load) -> (usize, u64) {
    match load {
        Load::Get => (100, 1),
        Load::Post => (12, 10),
        Load::LargePost | Load::Chunked => (2, 50),
        Load::GrpcCall => (100, 1),
        Load::GrpcStream => (8, 10),
        Load::WebSocket => (5, 5),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_primary_request_succeeds_whatever_the_shadow_does() {
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let Some(field) = Field::start(plane, Duration::ZERO, &Handle::current()).await else {
            continue;
        };
        let callers = Callers::new(field.sidecar.proxy);
        let (_, at_first) = field
            .measure(Trouble::NotMirrored, Load::Get)
            .await
            .unwrap();
        for trouble in Trouble::ALL {
            let mut memory = 0;
            for load in Load::ALL {
                let what = format!("{plane}, the shadow {}: {}", trouble.says(), load.title());
                let mut copies = 0;
                let watch = async {
                    while let Some(now) = field.measure(trouble, load).await {
                        copies = copies.max(now.0);
                        memory = memory.max(now.1);
                        sleep(Duration::from_millis(20)).await;
                    }
                };
                let (count, pause) = amount(load);
                let host = Field::host(trouble, load);
                let outcome = tokio::select! {
                    outcome = callers.drive(load, &host, count, Duration::from_millis(pause)) => outcome,
                    () = watch => panic!("{what}: the sidecar is no more"),
                    () = flap(&field, trouble) => unreachable!("it has no end"),
                };
                assert_eq!(outcome.failures.first(), None, "{what}");
                assert_eq!(outcome.latencies.len(), count, "{what}");
                // Of the shim the shadow's connections are counted.
                let most = match plane.kind {
                    Kind::Envoy => COPIES,
                    Kind::Shim => COPIES + ENDING,
                };
                assert!(copies <= most, "{what}: {copies} copies under way");
            }
            let what = format!("{plane}, the shadow {}", trouble.says());
            eprintln!("{what}: {} MiB", memory / 1024);
            assert!(
                memory < at_first + GROWTH,
                "{what}: {at_first} to {memory} KiB"
            );
            // Copies met it. One that comes and goes may have been away just then.
            let met = async {
                for load in [Load::Get, Load::GrpcCall] {
                    let host = Field::host(trouble, load);
                    eventually(&what, || async {
                        callers.drive(load, &host, 1, Duration::ZERO).await;
                        has_met(&field, trouble, load).await.then_some(())
                    })
                    .await;
                }
            };
            tokio::select! {
                () = met => {}
                () = flap(&field, trouble) => unreachable!("it has no end"),
            }
        }
        field.assert_no_nack();
    }
}

/// Lets the shadow come and go if that is its trouble.
async fn flap(field: &Field, trouble: Trouble) {
    if trouble == Trouble::Flaps {
        field.flap().await;
    }
    std::future::pending::<()>().await;
}

/// Whether a copy of such a request got as far as it can with this trouble.
async fn has_met(field: &Field, trouble: Trouble, load: Load) -> bool {
    match (field.sidecar.plane.kind, trouble) {
        (Kind::Envoy, _) => field.stat(trouble, load, "upstream_cx_total").await > 0,
        (Kind::Shim, Trouble::Dead | Trouble::Refuses) => true,
        (Kind::Shim, _) => field.shadows[&(trouble, load.is_grpc())].accepted() > 0,
    }
}
