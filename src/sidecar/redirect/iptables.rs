//! The rules in the language of `iptables-restore` and `ip6tables-restore`: a chain for each address family.

use std::fmt::Write;

use super::{Family, Rules};
use crate::model::CAPTURE_PORT;

/// The chain, which is ours as a whole.
const CHAIN: &str = "MIRRORPLANE_OUTPUT";
/// The only rule of ours in a chain of others.
const JUMP: &str = "OUTPUT -p tcp -j MIRRORPLANE_OUTPUT";

/// What there is of ours in a family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    has_chain: bool,
    jumps: usize,
}

impl Standing {
    /// Reads what `iptables-save -t nat` prints.
    pub(super) fn read(saved: &str) -> Self {
        let declaration = format!(":{CHAIN} ");
        let jump = format!("-A {JUMP}");
        Self {
            has_chain: saved.lines().any(|line| line.starts_with(&declaration)),
            jumps: saved.lines().filter(|line| line.trim_end() == jump).count(),
        }
    }
}

/// Puts the rules of a family into force in place of those that stand, in one transaction; `None` if there are none to be
/// and none that stand.
pub(super) fn script(rules: &Rules, family: Family, standing: Standing) -> Option<String> {
    if !rules.has(family) {
        return removal(standing);
    }
    let mut text = String::new();
    let mut line =
        |words: String| writeln!(text, "{words}").expect("writing to a string does not fail");
    // Empties the chain if it exists.
    line(format!("*nat\n:{CHAIN} - [0:0]"));
    for _ in 0..standing.jumps {
        line(format!("-D {JUMP}"));
    }
    let mut rule = |words: String| line(format!("-A {CHAIN} {words}"));
    rule("-o lo -j RETURN".to_owned());
    rule(format!(
        "-m owner --uid-owner {} -j RETURN",
        rules.proxy_uid
    ));
    if let Some(gid) = rules.proxy_gid {
        rule(format!("-m owner --gid-owner {gid} -j RETURN"));
    }
    for port in rules.spared_ports() {
        rule(format!("-p tcp --dport {port} -j RETURN"));
    }
    rule(format!("-d {} -j RETURN", family.loopback()));
    for cidr in rules.excluded(family) {
        rule(format!("-d {cidr} -j RETURN"));
    }
    for cidr in rules.included(family) {
        let to = cidr.map_or(String::new(), |cidr| format!("-d {cidr} "));
        rule(format!("{to}-p tcp -j REDIRECT --to-ports {CAPTURE_PORT}"));
    }
    line(format!("-A {JUMP}\nCOMMIT"));
    Some(text)
}

/// Takes away what stands; `None` if nothing does.
pub(super) fn removal(standing: Standing) -> Option<String> {
    if standing == Standing::default() {
        return None;
    }
    let mut text = "*nat\n".to_owned();
    for _ in 0..standing.jumps {
        writeln!(text, "-D {JUMP}").expect("writing to a string does not fail");
    }
    if standing.has_chain {
        writeln!(text, "-F {CHAIN}\n-X {CHAIN}").expect("writing to a string does not fail");
    }
    text.push_str("COMMIT\n");
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{Standing, removal, script};
    use crate::sidecar::IpFamilies;
    use crate::sidecar::redirect::{Family, Rules};

    const SAVED: &str = "# Generated
*nat
:OUTPUT ACCEPT [0:0]
:MIRRORPLANE_OUTPUT - [0:0]
-A OUTPUT -d 10.0.0.1/32 -j ACCEPT
-A OUTPUT -p tcp -j MIRRORPLANE_OUTPUT
COMMIT
";

    #[test]
    fn a_script_replaces_what_stands() {
        let rules = Rules {
            families: IpFamilies::Ipv4,
            proxy_uid: 1500,
            proxy_gid: None,
            exclude_ports: vec![22],
            exclude: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            include: vec!["192.168.0.0/16".parse().unwrap()],
        };
        let standing = Standing::read(SAVED);
        assert_eq!(
            script(&rules, Family::V4, standing).unwrap(),
            "*nat
:MIRRORPLANE_OUTPUT - [0:0]
-D OUTPUT -p tcp -j MIRRORPLANE_OUTPUT
-A MIRRORPLANE_OUTPUT -o lo -j RETURN
-A MIRRORPLANE_OUTPUT -m owner --uid-owner 1500 -j RETURN
-A MIRRORPLANE_OUTPUT -p tcp --dport 22 -j RETURN
-A MIRRORPLANE_OUTPUT -p tcp --dport 15001 -j RETURN
-A MIRRORPLANE_OUTPUT -p tcp --dport 15021 -j RETURN
-A MIRRORPLANE_OUTPUT -d 127.0.0.0/8 -j RETURN
-A MIRRORPLANE_OUTPUT -d 10.0.0.0/8 -j RETURN
-A MIRRORPLANE_OUTPUT -d 192.168.0.0/16 -p tcp -j REDIRECT --to-ports 15001
-A OUTPUT -p tcp -j MIRRORPLANE_OUTPUT
COMMIT
"
        );
        assert_eq!(script(&rules, Family::V6, Standing::default()), None);
        assert_eq!(script(&rules, Family::V6, standing), removal(standing));
    }

    #[test]
    fn only_what_stands_is_removed() {
        assert_eq!(
            removal(Standing::read("*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")),
            None
        );
        assert_eq!(
            removal(Standing::read(SAVED)).unwrap(),
            "*nat\n-D OUTPUT -p tcp -j MIRRORPLANE_OUTPUT\n-F MIRRORPLANE_OUTPUT\n-X MIRRORPLANE_OUTPUT\nCOMMIT\n"
        );
    }
}
