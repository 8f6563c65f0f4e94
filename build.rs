//! Compiles `proto/` without a `protoc` on the machine.
//!
//! The output is Rust code for the services alone, and one descriptor set of everything in `proto/`, which
//! gives field names and proto3 JSON for the payloads at run time.

use std::path::{Path, PathBuf};
use std::{env, error, fs};

use prost_build::Config;
use protox::prost::Message;

/// The files that become Rust code; the payload types come from the `envoy-types` crate.
const CODE: [&str; 6] = [
    "envoy.service.accesslog.v3.proto",
    "envoy.service.cluster.v3.proto",
    "envoy.service.discovery.v3.proto",
    "envoy.service.load_stats.v3.proto",
    "envoy.service.runtime.v3.proto",
    "envoy.service.status.v3.proto",
];

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut files: Vec<String> = Vec::new();
    for entry in fs::read_dir("proto")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|e| e == "proto") {
            files.push(name);
        }
    }
    files.sort();
    fs::write(
        out.join("descriptors.bin"),
        protox::compile(&files, ["proto"])?.encode_to_vec(),
    )?;

    let mut config = Config::new();
    config
        // Our own `Any` carries `Bytes`, so that an encoded resource is shared and not copied.
        .compile_well_known_types()
        .bytes(["."])
        // A map must encode the same way every time: a version is a hash of the bytes.
        .btree_map(["."])
        .include_file("mod.rs");
    tonic_prost_build::configure()
        .compile_well_known_types(true)
        .compile_fds_with_config(protox::compile(CODE, ["proto"])?, config)?;
    Ok(())
}
