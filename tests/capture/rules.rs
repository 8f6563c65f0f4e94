//! The rules of `mirrorplane redirect`, in the kernel.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::rig::network::{Namespace, Network};
use super::rig::stage::MIRRORPLANE;

const BACKENDS: [&str; 2] = ["nft", "iptables"];

/// All rules of a namespace, without counters.
fn rules(pod: &Namespace) -> String {
    let all = [
        pod.must("nft", &["--stateless", "list", "ruleset"]),
        pod.must("iptables-save", &["-t", "nat"]),
        pod.must("ip6tables-save", &["-t", "nat"]),
    ];
    let lines = all.iter().flat_map(|text| text.lines());
    // Comments hold the time.
    lines
        .filter(|line| !line.starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A Pod that has rules of others already.
fn pod_with_rules() -> Option<Network> {
    let network = Network::new()?;
    let pod = &network.pod;
    pod.must("nft", &["table inet theirs {\n chain output {\n type nat hook output priority -150\n tcp dport 9 redirect to :10\n }\n}"]);
    for tool in ["iptables", "ip6tables"] {
        pod.must(
            tool,
            &[
                "-t",
                "nat",
                "-A",
                "OUTPUT",
                "-p",
                "tcp",
                "--dport",
                "9",
                "-j",
                "REDIRECT",
                "--to-ports",
                "10",
            ],
        );
    }
    Some(network)
}

/// Whether a connection to this address arrives at the capture port.
fn is_redirected(pod: &Namespace, to: &str) -> bool {
    let address: std::net::SocketAddr = to.parse().unwrap();
    let at = if address.is_ipv4() {
        "127.0.0.1:15001"
    } else {
        "[::1]:15001"
    };
    let listener = pod.inside(|| TcpListener::bind(at).unwrap());
    listener.set_nonblocking(true).unwrap();
    // If it is not redirected, nobody is there.
    let connected = pod.connect(to);
    match listener.accept() {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            assert!(connected.is_err(), "{to} is served");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn rules_are_applied_once_and_removed_without_a_trace() {
    let Some(network) = pod_with_rules() else {
        return;
    };
    let pod = &network.pod;
    let before = rules(pod);
    for backend in BACKENDS {
        let redirect = |options: &[&str]| {
            let words = [&["redirect", "--backend", backend], options].concat();
            pod.must(MIRRORPLANE, &words);
            rules(pod)
        };
        let dual = ["--ip-families", "dual", "--exclude-ports", "22,23"];
        let once = redirect(&dual);
        assert_ne!(once, before, "{backend}");
        assert_eq!(redirect(&dual), once, "{backend}: twice is once");
        let other = redirect(&["--exclude-ports", "24"]);
        assert_ne!(other, once, "{backend}");
        assert!(!other.contains("22"), "{backend}: {other}");
        assert_eq!(redirect(&dual), once, "{backend}: and back");
        assert_eq!(redirect(&["--remove"]), before, "{backend}");
        assert_eq!(redirect(&["--remove"]), before, "{backend}: twice is once");
        redirect(&dual);
        pod.must(MIRRORPLANE, &["redirect", "--remove"]);
        assert_eq!(rules(pod), before, "{backend}: whichever it was");
    }
}

#[test]
fn only_what_is_asked_for_is_redirected() {
    let Some(network) = Network::new() else {
        return;
    };
    let pod = &network.pod;
    for backend in BACKENDS {
        for (options, to, expected) in [
            (&[][..], "10.0.0.1:80", true),
            (&[], "[fd00::1]:80", false),
            (&["--ip-families", "dual"], "[fd00::1]:80", true),
            (&["--ip-families", "dual"], "10.0.0.1:80", true),
            (&["--ip-families", "ipv6"], "[fd00::1]:80", true),
            (&["--ip-families", "ipv6"], "10.0.0.1:80", false),
            // The Pod itself, and the ports of sidecars.
            (&["--ip-families", "dual"], "127.0.0.1:80", false),
            (&["--ip-families", "dual"], "[::1]:80", false),
            (&[], "10.77.0.2:80", false),
            (&[], "10.0.0.1:15001", false),
            (&[], "10.0.0.1:15021", false),
            (&["--exclude-ports", "79,80"], "10.0.0.1:80", false),
            (&["--exclude-ports", "79,80"], "10.0.0.1:81", true),
            (
                &["--exclude-cidrs", "10.1.0.0/16,10.0.0.0/8"],
                "10.0.0.1:80",
                false,
            ),
            (&["--exclude-cidrs", "10.0.0.2"], "10.0.0.1:80", true),
            (
                &["--include-cidrs", "10.0.0.0/24,10.0.1.0/24"],
                "10.0.0.1:80",
                true,
            ),
            (&["--include-cidrs", "10.0.1.0/24"], "10.0.0.1:80", false),
            (
                &[
                    "--include-cidrs",
                    "10.0.0.0/24",
                    "--exclude-cidrs",
                    "10.0.0.1",
                ],
                "10.0.0.1:80",
                false,
            ),
            (
                &["--ip-families", "dual", "--exclude-cidrs", "fd00::/64"],
                "[fd00::1]:80",
                false,
            ),
            (
                &["--ip-families", "dual", "--include-cidrs", "10.0.0.0/8"],
                "[fd00::1]:80",
                false,
            ),
            // Whoever asks here is root.
            (&["--proxy-uid", "0"], "10.0.0.1:80", false),
            (&["--proxy-gid", "0"], "10.0.0.1:80", false),
        ] {
            pod.must(
                MIRRORPLANE,
                &[&["redirect", "--backend", backend], options].concat(),
            );
            assert_eq!(
                is_redirected(pod, to),
                expected,
                "{backend} {options:?} {to}"
            );
        }
        pod.must(MIRRORPLANE, &["redirect", "--remove"]);
    }
}

/// A folder of tools that do not work, as where the kernel has no tables for them.
fn broken(tools: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for tool in tools {
        put(
            folder.path(),
            tool,
            "echo 'Operation not supported' >&2; exit 1",
        );
    }
    folder
}

/// A tool that does this.
fn put(folder: &Path, tool: &str, script: &str) {
    let path = folder.join(tool);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
}

/// Runs `redirect` with the tools of a folder before all others: how it ended, and what it said.
fn redirect(pod: &Namespace, tools: &Path, options: &[&str]) -> (Option<i32>, String) {
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(MIRRORPLANE);
    command.arg("redirect").args(options).env("PATH", path);
    let output = pod.inside(|| command.output().unwrap());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

#[test]
fn a_kernel_that_takes_no_rules_from_nft_gets_them_from_iptables() {
    let Some(network) = Network::new() else {
        return;
    };
    let pod = &network.pod;
    let tools = broken(&["nft"]);
    let (status, said) = redirect(pod, tools.path(), &["--ip-families", "dual"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("Operation not supported"), "{said}");
    assert!(is_redirected(pod, "10.0.0.1:80") && is_redirected(pod, "[fd00::1]:80"));
    let (status, said) = redirect(pod, tools.path(), &["--remove"]);
    assert_eq!(status, Some(0), "{said}");
    // `iptables-save` prints its tables once they were used.
    assert!(!rules(pod).to_lowercase().contains("mirrorplane"));
    assert!(!is_redirected(pod, "10.0.0.1:80"));
    let (status, _) = redirect(pod, tools.path(), &["--backend", "nft"]);
    assert_eq!(status, Some(2), "what is named is not replaced");
}

#[test]
fn old_iptables_are_the_last_resort_and_without_them_it_is_said() {
    let Some(network) = Network::new() else {
        return;
    };
    let pod = &network.pod;
    let all = ["nft", "iptables-save", "iptables-legacy-save"];
    let tools = broken(&all);
    let before = rules(pod);
    let (status, said) = redirect(pod, tools.path(), &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("neither nft nor iptables"), "{said}");
    assert_eq!(rules(pod), before);

    put(tools.path(), "iptables-legacy-save", "exit 0");
    let given = tools.path().join("given");
    let keep = format!("cat > {}", given.display());
    put(tools.path(), "iptables-legacy-restore", &keep);
    for options in [&[][..], &["--backend", "iptables"]] {
        let (status, said) = redirect(pod, tools.path(), options);
        assert_eq!(status, Some(0), "{said}");
        let given = std::fs::read_to_string(&given).unwrap();
        assert!(given.contains("--to-ports 15001"), "{given}");
    }
    assert_eq!(rules(pod), before);
}

#[test]
fn what_cannot_be_done_is_said() {
    let Some(network) = Network::new() else {
        return;
    };
    let pod = &network.pod;
    let before = rules(pod);
    let printed = pod.must(MIRRORPLANE, &["redirect", "--print", "--backend", "nft"]);
    assert!(printed.contains("meta skuid 1500 return"), "{printed}");
    assert_eq!(rules(pod), before);

    // A copy that everyone may run.
    let folder = tempfile::tempdir().unwrap();
    let open = Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let program = folder.path().join("mirrorplane");
    std::fs::copy(MIRRORPLANE, &program).unwrap();
    let mut nobody = Command::new(&program);
    nobody.args(["redirect"]).uid(65534).gid(65534);
    let output = pod.inside(|| nobody.output().unwrap());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("NET_ADMIN"), "{said}");
    assert_eq!(rules(pod), before);
}
