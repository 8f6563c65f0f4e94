//! The services of single types, beside the aggregated one: the same streams, of one type each.
//!
//! The types do not know of each other here, so there is no order between them: whoever wants make before break uses
//! ADS, which exists for it ("Aggregated Discovery Service" of the xDS protocol).

use tonic::Request;
use tonic::Response;
use tonic::Status;
use tonic::Streaming;
use tonic::service::Routes;

use super::ads::Ads;
use super::ads::MAX_REQUEST;
use super::ads::Responses;
use super::delta::Delta;
use super::sotw::Sotw;
use crate::proto::envoy::service;
use crate::proto::envoy::service::discovery::v3 as discovery;
use crate::snapshot::ResourceType;

/// Ties each generated service to its type. The generated code has a trait for each service, with names of its own for
/// the same two methods; a third, `Fetch`, is the REST variant's, and not offered over gRPC.
macro_rules! services {
    ($($ty:ident: $package:ident, $server:ident::$service:ident, $Server:ident,
       $stream:ident -> $Stream:ident, $delta:ident -> $Delta:ident, $fetch:ident;)*) => {
        /// Adds the services of all types.
        pub(super) fn add_to(routes: Routes, ads: &Ads) -> Routes {
            routes$(.add_service(
                service::$package::v3::$server::$Server::new(ads.clone())
                    .max_decoding_message_size(MAX_REQUEST),
            ))*
        }

        $(#[tonic::async_trait]
        impl service::$package::v3::$server::$service for Ads {
            type $Stream = Responses<discovery::DiscoveryResponse>;
            type $Delta = Responses<discovery::DeltaDiscoveryResponse>;

            async fn $stream(
                &self,
                request: Request<Streaming<discovery::DiscoveryRequest>>,
            ) -> Result<Response<Self::$Stream>, Status> {
                self.open::<Sotw>(request, Some(ResourceType::$ty))
            }

            async fn $delta(
                &self,
                request: Request<Streaming<discovery::DeltaDiscoveryRequest>>,
            ) -> Result<Response<Self::$Delta>, Status> {
                self.open::<Delta>(request, Some(ResourceType::$ty))
            }

            async fn $fetch(
                &self,
                _: Request<discovery::DiscoveryRequest>,
            ) -> Result<Response<discovery::DiscoveryResponse>, Status> {
                Err(Status::unimplemented("only streams are served"))
            }
        })*
    };
}

services! {
    Cluster: cluster, cluster_discovery_service_server::ClusterDiscoveryService, ClusterDiscoveryServiceServer,
        stream_clusters -> StreamClustersStream, delta_clusters -> DeltaClustersStream, fetch_clusters;
    Endpoint: endpoint, endpoint_discovery_service_server::EndpointDiscoveryService, EndpointDiscoveryServiceServer,
        stream_endpoints -> StreamEndpointsStream, delta_endpoints -> DeltaEndpointsStream, fetch_endpoints;
    Listener: listener, listener_discovery_service_server::ListenerDiscoveryService, ListenerDiscoveryServiceServer,
        stream_listeners -> StreamListenersStream, delta_listeners -> DeltaListenersStream, fetch_listeners;
    Route: route, route_discovery_service_server::RouteDiscoveryService, RouteDiscoveryServiceServer,
        stream_routes -> StreamRoutesStream, delta_routes -> DeltaRoutesStream, fetch_routes;
    Runtime: runtime, runtime_discovery_service_server::RuntimeDiscoveryService, RuntimeDiscoveryServiceServer,
        stream_runtime -> StreamRuntimeStream, delta_runtime -> DeltaRuntimeStream, fetch_runtime;
}
