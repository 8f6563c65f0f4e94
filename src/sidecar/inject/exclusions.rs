//! What an application's connections are not redirected for: annotations to flags of `mirrorplane redirect`.

use std::collections::BTreeMap;

use crate::api::mesh::OUTBOUND_PORT_EXCLUSIONS;
use crate::api::mesh::OUTBOUND_RANGE_EXCLUSIONS;
use crate::api::mesh::OUTBOUND_RANGE_INCLUSIONS;
use crate::api::mesh::given;
use crate::sidecar::redirect::Cidr;

/// The annotations, and the flag that says the same.
const FLAGS: [(&str, &str, Check); 3] = [
    (OUTBOUND_PORT_EXCLUSIONS, "--exclude-ports", port),
    (OUTBOUND_RANGE_EXCLUSIONS, "--exclude-cidrs", range),
    (OUTBOUND_RANGE_INCLUSIONS, "--include-cidrs", range),
];

/// What is wrong with an item, if anything.
type Check = fn(&str) -> Option<&'static str>;

/// The flags that annotations stand for; or the keys of those that stand for nothing, and why.
pub(super) fn flags(
    annotations: &BTreeMap<String, String>,
) -> Result<Vec<String>, Vec<(String, String)>> {
    let mut flags = Vec::new();
    let mut bad = Vec::new();
    for (name, flag, check) in FLAGS {
        let Some((key, list)) = given(annotations, name) else {
            continue;
        };
        let items: Vec<&str> = list
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .collect();
        let wrong = items
            .iter()
            .find_map(|item| Some(format!("`{item}` is {}", check(item)?)));
        match wrong {
            Some(wrong) => bad.push((key.to_owned(), wrong)),
            None if items.is_empty() => {}
            None => flags.extend([flag.to_owned(), items.join(",")]),
        }
    }
    if bad.is_empty() { Ok(flags) } else { Err(bad) }
}

fn port(item: &str) -> Option<&'static str> {
    match item.parse::<u16>() {
        Ok(1..) if item.bytes().all(|digit| digit.is_ascii_digit()) => None,
        _ => Some("not a port, a number from 1 to 65535"),
    }
}

fn range(item: &str) -> Option<&'static str> {
    let fault = "not a range of addresses, such as `10.0.0.0/8` or `fd00::/8`";
    item.parse::<Cidr>().is_err().then_some(fault)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::flags;

    #[test]
    fn lists_become_flags_and_a_bad_item_is_named() {
        const PORTS: &str = "openservicemesh.io/outbound-port-exclusion-list";
        const OUT: &str = "flomesh.io/outbound-ip-range-exclusion-list";
        const IN: &str = "mirrorplane.io/outbound-ip-range-inclusion-list";
        for (key, value, expected) in [
            (PORTS, "6379, 7070", Ok("--exclude-ports 6379,7070")),
            (PORTS, " ", Ok("")),
            (PORTS, "0", Err("`0` is not a port")),
            (PORTS, "+80", Err("`+80` is not a port")),
            (PORTS, "80;81", Err("`80;81` is not a port")),
            (
                OUT,
                "10.0.0.0/8,fd00::/8",
                Ok("--exclude-cidrs 10.0.0.0/8,fd00::/8"),
            ),
            (OUT, "10.0.0.1", Ok("--exclude-cidrs 10.0.0.1")),
            (OUT, "10.0.0.0/33", Err("`10.0.0.0/33` is not a range")),
            (IN, "10/8", Err("`10/8` is not a range")),
            (IN, "10.1.0.0/16", Ok("--include-cidrs 10.1.0.0/16")),
        ] {
            let annotations = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            match (flags(&annotations), expected) {
                (Ok(flags), Ok(expected)) => assert_eq!(flags.join(" "), expected),
                (Err(bad), Err(expected)) => {
                    assert_eq!(bad[0].0, key);
                    assert!(bad[0].1.starts_with(expected), "{bad:?}");
                }
                (got, _) => panic!("{key}={value}: {got:?}"),
            }
        }
    }
}
