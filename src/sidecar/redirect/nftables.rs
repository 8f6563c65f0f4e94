//! The rules in the language of `nft`: one table for both address families.

use std::fmt::Write;

use super::{Family, Rules};
use crate::model::CAPTURE_PORT;

/// The table, which is ours as a whole.
const TABLE: &str = "table inet mirrorplane";

/// Puts the rules into force, whether there are some or not: a script is one transaction.
pub(super) fn script(rules: &Rules) -> String {
    let mut lines = String::new();
    for rule in rule_lines(rules) {
        writeln!(lines, "    {rule}").expect("writing to a string does not fail");
    }
    format!(
        "{}{TABLE} {{\n  chain output {{\n    type nat hook output priority -100; policy accept;\n{lines}  }}\n}}\n",
        removal()
    )
}

/// Takes them away, whether there are some or not: what is added first can be deleted.
pub(super) fn removal() -> String {
    format!("add {TABLE}\ndelete {TABLE}\n")
}

fn rule_lines(rules: &Rules) -> Vec<String> {
    let mut lines = vec![
        "oifname \"lo\" return".to_owned(),
        format!("meta skuid {} return", rules.proxy_uid),
    ];
    lines.extend(
        rules
            .proxy_gid
            .map(|gid| format!("meta skgid {gid} return")),
    );
    let ports: Vec<_> = rules.spared_ports().iter().map(u16::to_string).collect();
    lines.push(format!("tcp dport {{ {} }} return", ports.join(", ")));
    for family in Family::ALL.into_iter().filter(|one| rules.has(*one)) {
        let (name, protocol) = match family {
            Family::V4 => ("ip", "ipv4"),
            Family::V6 => ("ip6", "ipv6"),
        };
        lines.push(format!("{name} daddr {} return", family.loopback()));
        let excluded = rules.excluded(family);
        lines.extend(excluded.map(|cidr| format!("{name} daddr {cidr} return")));
        lines.extend(rules.included(family).into_iter().map(|cidr| {
            let to = match cidr {
                Some(cidr) => format!("{name} daddr {cidr}"),
                None => format!("meta nfproto {protocol}"),
            };
            format!("{to} meta l4proto tcp redirect to :{CAPTURE_PORT}")
        }));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::script;
    use crate::sidecar::IpFamilies;
    use crate::sidecar::redirect::Rules;

    #[test]
    fn a_script_replaces_what_is_there() {
        let rules = Rules {
            families: IpFamilies::Dual,
            proxy_uid: 1500,
            proxy_gid: Some(1500),
            exclude_ports: vec![22, 15021],
            exclude: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            include: vec!["0.0.0.0/0".parse().unwrap()],
        };
        assert_eq!(
            script(&rules),
            "add table inet mirrorplane
delete table inet mirrorplane
table inet mirrorplane {
  chain output {
    type nat hook output priority -100; policy accept;
    oifname \"lo\" return
    meta skuid 1500 return
    meta skgid 1500 return
    tcp dport { 22, 15001, 15021 } return
    ip daddr 127.0.0.0/8 return
    ip daddr 10.0.0.0/8 return
    ip daddr 0.0.0.0/0 meta l4proto tcp redirect to :15001
    ip6 daddr ::1/128 return
    ip6 daddr fd00::/8 return
  }
}
"
        );
        let plain = Rules {
            families: IpFamilies::Ipv6,
            include: Vec::new(),
            ..rules
        };
        let text = script(&plain);
        assert!(
            text.contains("    meta nfproto ipv6 meta l4proto tcp redirect to :15001\n"),
            "{text}"
        );
        assert!(!text.contains("ipv4"), "{text}");
    }
}
