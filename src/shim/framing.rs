//! How the body of a request is delimited, as a header says it to the routes. Pure.

use http::Version;
use http::header::{self, HeaderValue};
use http::request::Parts;

/// The protocol and the transfer coding of a request, which is empty if there is none: such as `HTTP/1.1;chunked`.
pub(super) fn of(head: &Parts) -> HeaderValue {
    let protocol = match head.version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    let mut text = format!("{protocol};").into_bytes();
    // As one, as they may be joined (RFC 9110, section 5.3).
    for (index, coding) in head
        .headers
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .enumerate()
    {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(coding.as_bytes());
    }
    HeaderValue::from_bytes(&text).expect("what was put together from header values is one")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_note_is_the_protocol_and_the_coding() {
        for (version, codings, expected) in [
            (Version::HTTP_11, &[][..], "HTTP/1.1;"),
            (Version::HTTP_11, &["chunked"], "HTTP/1.1;chunked"),
            (
                Version::HTTP_11,
                &["gzip", "chunked"],
                "HTTP/1.1;gzip,chunked",
            ),
            (Version::HTTP_10, &[], "HTTP/1.0;"),
            (Version::HTTP_2, &[], "HTTP/2;"),
        ] {
            let mut request = Request::builder().version(version);
            for coding in codings {
                request = request.header("transfer-encoding", *coding);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(of(&head), expected);
        }
    }
}
