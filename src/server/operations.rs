//! The services for those who run it: health (`grpc.health.v1`) and reflection (`grpc.reflection.v1`).

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::proto::DESCRIPTORS;
use crate::proto::envoy::service::discovery::v3::aggregated_discovery_service_server::SERVICE_NAME;
use crate::snapshot::World;

/// Adds both services. The server as a whole (the empty name) is healthy as soon as it answers; ADS is, once there is
/// something to serve, which is what [`report`] says.
///
/// # Errors
///
/// If the descriptors of the services are not valid.
pub(super) async fn add_to(
    routes: Routes,
) -> Result<(Routes, HealthReporter), tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status(SERVICE_NAME, ServingStatus::NotServing)
        .await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    Ok((routes.add_service(health).add_service(reflection), reporter))
}

/// Says that ADS serves once the world is there. It stays so: what was served last is served until there is better.
pub(super) async fn report(
    reporter: HealthReporter,
    mut world: watch::Receiver<Option<Arc<World>>>,
) -> Infallible {
    if world.wait_for(Option::is_some).await.is_ok() {
        reporter
            .set_service_status(SERVICE_NAME, ServingStatus::Serving)
            .await;
    }
    // Not over: the server is what ends.
    std::future::pending().await
}
