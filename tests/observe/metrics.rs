//! `/metrics`.

use mirrorplane::snapshot::ResourceType::{Cluster, Listener, Runtime};

use crate::client::{Delta, Sotw};
use crate::plane::{Plane, edit, until};

#[tokio::test]
async fn streams_pushes_and_answers_are_counted() {
    let plane = Plane::start().await;
    let mut client = Sotw::open(plane.ads, "curl/curl").await;
    client.ask(Cluster).await;
    let clusters = client.next().await;
    client.answer(&clusters, None).await;
    client.ask(Listener).await;
    let listeners = client.next().await;
    client.answer(&listeners, Some("no such filter")).await;
    // A nonce of no response.
    let mut stale = clusters.clone();
    stale.nonce = "99".to_owned();
    client.answer(&stale, None).await;
    let stales = "mirrorplane_xds_stale_nonces_total{type=\"cds\"}";
    until(|| async { plane.metric(stales).await > 0.0 }).await;

    for (series, expected) in [
        ("xds_streams{variant=\"sotw\"}", 1.0),
        ("xds_streams{variant=\"delta\"}", 0.0),
        ("xds_streams_opened_total{variant=\"sotw\"}", 1.0),
        ("xds_pushes_total{type=\"cds\"}", 1.0),
        ("xds_pushes_total{type=\"lds\"}", 1.0),
        ("xds_acks_total{type=\"cds\"}", 1.0),
        ("xds_acks_total{type=\"lds\"}", 0.0),
        ("xds_nacks_total{type=\"lds\"}", 1.0),
        ("xds_push_ack_duration_seconds_count{type=\"cds\"}", 1.0),
        ("xds_push_ack_duration_seconds_count{type=\"lds\"}", 0.0),
        ("nodes_connected", 1.0),
    ] {
        let value = plane.metric(&format!("mirrorplane_{series}")).await;
        assert!((value - expected).abs() < 1e-9, "{series} {value}");
    }
    let bytes = "mirrorplane_xds_sent_bytes_total{type=\"cds\"}";
    assert!(plane.metric(bytes).await > 500.0);
}

#[tokio::test]
async fn loads_of_the_configuration_are_counted() {
    let plane = Plane::start().await;
    let missing = "mirrorplane_config_diagnostics{code=\"MP321\",severity=\"error\"}";
    assert!(!plane.get("/metrics").await.1.contains("MP321"));
    assert!(plane.metric("mirrorplane_nodes_known").await >= 1.0);
    assert!(plane.metric("mirrorplane_groups").await >= 1.0);
    let loaded = plane.metric("mirrorplane_config_last_load_timestamp_seconds");
    assert!(loaded.await > 1.7e9);
    let before = plane.metric("mirrorplane_config_generation").await;
    edit(
        plane.folder.path(),
        "mirror.yaml",
        "service: pipy-ok-v2",
        "service: pipy-ok-v3",
    );
    until(|| async { plane.get("/metrics").await.1.contains(missing) }).await;
    assert!(plane.metric(missing).await > 0.5);
    let generation = plane.metric("mirrorplane_config_generation").await;
    assert!(generation > before);
    let loads = plane.metric("mirrorplane_config_loads_total").await;
    let builds = plane.metric("mirrorplane_config_build_duration_seconds_count");
    assert!((builds.await - loads).abs() < 1e-9);
    edit(
        plane.folder.path(),
        "mirror.yaml",
        "service: pipy-ok-v3",
        "service: pipy-ok-v2",
    );
    until(|| async { plane.metric(missing).await < 0.5 }).await;
}

#[tokio::test]
async fn a_page_says_what_each_metric_is() {
    let plane = Plane::start().await;
    let (_, text) = plane.get("/metrics").await;
    let with = |start: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(start));
        let names = lines.filter_map(|line| line.split(' ').next());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let (types, helps) = (with("# TYPE "), with("# HELP "));
    assert_eq!(types, helps);
    assert!(types.len() >= 16, "{types:?}");
    assert!(types.iter().all(|name| name.starts_with("mirrorplane_")));
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_thousand_clients_that_come_and_go_leave_nothing_behind() {
    let plane = Plane::start().await;
    for round in 0..500 {
        let mut sotw = Sotw::open(plane.ads, &format!("curl/curl-{}", round % 7)).await;
        sotw.ask(Cluster).await;
        let mut delta = Delta::open(plane.ads, "curl/curl").await;
        delta.ask(Runtime, &["mirrorplane"]).await;
        sotw.next().await;
        let response = delta.next().await;
        if round % 2 == 0 {
            delta.answer(&response, None).await;
        }
    }
    let opened =
        |variant: &str| format!("mirrorplane_xds_streams_opened_total{{variant=\"{variant}\"}}");
    for variant in ["sotw", "delta"] {
        assert!((plane.metric(&opened(variant)).await - 500.0).abs() < 1e-9);
    }
    for gauge in [
        "mirrorplane_xds_streams{variant=\"sotw\"}",
        "mirrorplane_xds_streams{variant=\"delta\"}",
        "mirrorplane_nodes_connected",
    ] {
        until(|| async { plane.metric(gauge).await.abs() < 1e-9 }).await;
    }
    assert_eq!(plane.nodes().await.len(), 0);
}
