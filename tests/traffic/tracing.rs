//! What a copy says of the caller's trace, while the live service is told what the caller said.

use http_body_util::Full;
use hyper::Request;

use super::rig::eventually;
use super::rig::sidecar::Plane;
use super::rig::stage::{Stage, URL};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// A header with a trace, and what becomes of it where it is `off` and `always`. `TRACE` and `SPAN` stand for such.
const FORMS: [(&str, &str, &str, &str); 20] = [
    (
        "traceparent",
        "00-TRACE-SPAN-01",
        "00-TRACE-SPAN-00",
        "00-TRACE-SPAN-01",
    ),
    (
        "traceparent",
        "00-TRACE-SPAN-00",
        "00-TRACE-SPAN-00",
        "00-TRACE-SPAN-01",
    ),
    (
        "traceparent",
        "00-TRACE-SPAN-03",
        "00-TRACE-SPAN-02",
        "00-TRACE-SPAN-03",
    ),
    (
        "traceparent",
        "01-TRACE-SPAN-ff-x",
        "01-TRACE-SPAN-fe-x",
        "01-TRACE-SPAN-ff-x",
    ),
    ("traceparent", "nonsense", "nonsense", "nonsense"),
    ("b3", "TRACE-SPAN-1", "TRACE-SPAN-0", "TRACE-SPAN-1"),
    (
        "b3",
        "TRACE-SPAN-d-SPAN",
        "TRACE-SPAN-0-SPAN",
        "TRACE-SPAN-1-SPAN",
    ),
    ("b3", "TRACE-SPAN", "TRACE-SPAN-0", "TRACE-SPAN-1"),
    ("b3", "0", "0", "1"),
    ("b3", "TRACE-SPAN-x", "TRACE-SPAN-x", "TRACE-SPAN-x"),
    ("x-b3-sampled", "1", "0", "1"),
    ("x-b3-sampled", "false", "0", "1"),
    (
        "uber-trace-id",
        "TRACE:SPAN:0:3",
        "TRACE:SPAN:0:0",
        "TRACE:SPAN:0:1",
    ),
    (
        "uber-trace-id",
        "TRACE:SPAN:0",
        "TRACE:SPAN:0",
        "TRACE:SPAN:0",
    ),
    (
        "x-amzn-trace-id",
        "Root=1-2;Parent=3;Sampled=1",
        "Root=1-2;Parent=3;Sampled=0",
        "Root=1-2;Parent=3;Sampled=1",
    ),
    (
        "x-amzn-trace-id",
        "Root=1-2;Sampled=?",
        "Root=1-2;Sampled=0",
        "Root=1-2;Sampled=1",
    ),
    (
        "x-cloud-trace-context",
        "TRACE/1;o=1",
        "TRACE/1;o=0",
        "TRACE/1;o=1",
    ),
    ("x-datadog-sampling-priority", "-1", "0", "1"),
    ("sw8", "1-TQ==-TQ==", "0-TQ==-TQ==", "1-TQ==-TQ=="),
    ("x-other", "1", "1", "1"),
];

fn written(form: &str) -> String {
    form.replace("TRACE", TRACE).replace("SPAN", SPAN)
}

/// Sends a request with this header: what the live service sees of it, and the shadow.
async fn seen(stage: &Stage, name: &str, value: &str) -> Option<(String, String)> {
    stage.live.forget();
    stage.shadow.forget();
    let request = Request::get(URL)
        .header("host", "pipy-ok-v1.pipy:8080")
        .header(name, value)
        .body(Full::default())
        .unwrap();
    let answer = stage.caller().await.send(request).await.unwrap();
    assert_eq!(answer.headers()["x-served-by"], "v1", "{stage}");
    eventually(format_args!("{stage}: the copy"), || async {
        (stage.shadow.count() == 1).then_some(())
    })
    .await;
    let text = |seen: Vec<super::rig::echo::Seen>| {
        let header = seen.last()?.headers.get(name)?.to_str().ok()?.to_owned();
        Some(header)
    };
    Some((text(stage.live.seen())?, text(stage.shadow.seen())?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_says_of_a_trace_what_its_rule_says_and_the_request_what_it_said() {
    for plane in Plane::ALL.into_iter().filter(|plane| !plane.delta) {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let keys = [
            "",
            "    tracing: off\n",
            "    tracing: always\n",
            "    tracing: inherit\n",
        ];
        let before = "    percentage:\n";
        for window in keys.windows(2) {
            stage.mesh.edit(
                "mirror.yaml",
                &format!("{}{before}", window[0]),
                &format!("{}{before}", window[1]),
            );
            let of = |form: &(&str, &str, &'static str, &'static str)| match window[1] {
                with if with.contains("off") => written(form.2),
                with if with.contains("always") => written(form.3),
                _ => written(form.1),
            };
            // Until it is as the newest configuration has it.
            for form in [&FORMS[0], &FORMS[1]] {
                eventually(format_args!("{stage}: {}", window[1]), || async {
                    let (_, copy) = seen(&stage, form.0, &written(form.1)).await?;
                    (copy == of(form)).then_some(())
                })
                .await;
            }
            for form in &FORMS {
                let value = written(form.1);
                let found = seen(&stage, form.0, &value).await;
                let expected = Some((value, of(form)));
                assert_eq!(found, expected, "{stage}: {} {}", window[1], form.0);
            }
        }
        stage.assert_no_nack();
    }
}
