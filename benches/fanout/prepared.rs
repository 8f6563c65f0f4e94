//! The same bytes for every server: all resources of all states, as mirrorplane makes them, in one file.
//!
//! A line is a resource: `{"state": 0, "group": 3, "type": URL, "name": "...", "version": "...", "body": HEX}`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::BufWriter;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use mirrorplane::pipeline::Pipeline;
use mirrorplane::resolve::Settings;
use mirrorplane::snapshot::ResourceType;
use serde::Deserialize;
use serde::Serialize;

use crate::mesh;
use crate::mesh::Size;
use crate::mesh::State;

#[derive(Serialize, Deserialize)]
struct Line {
    state: usize,
    group: usize,
    r#type: String,
    name: String,
    version: String,
    body: String,
}

/// A resource as it was prepared.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) body: Bytes,
}

/// All resources: by state, group and type.
#[derive(Debug)]
pub(crate) struct Prepared(Vec<Vec<[Vec<Resource>; 5]>>);

impl Prepared {
    /// The resources of a type, by name.
    pub(crate) fn of(&self, state: State, group: usize, ty: ResourceType) -> &[Resource] {
        &self.0[state.index()][group][ty as usize]
    }

    /// Reads the file.
    pub(crate) fn read(path: &Path, groups: usize) -> anyhow::Result<Self> {
        let mut all = vec![vec![<[Vec<Resource>; 5]>::default(); groups]; State::ALL.len()];
        for line in BufReader::new(File::open(path)?).lines() {
            let line: Line = serde_json::from_str(&line?)?;
            let ty = ResourceType::from_type_url(&line.r#type).context("a type")?;
            let resource = Resource {
                name: line.name,
                version: line.version,
                body: unhex(&line.body).context("hexadecimal")?.into(),
            };
            all[line.state][line.group][ty as usize].push(resource);
        }
        Ok(Self(all))
    }
}

/// Makes the file.
pub(crate) fn write(path: &Path, size: Size) -> anyhow::Result<()> {
    // The content depends on the groups and not on how many are in each.
    let size = Size {
        streams: size.groups,
        ..size
    };
    let mut out = BufWriter::new(File::create(path)?);
    let mut pipeline = Pipeline::new(Settings::default());
    for state in State::ALL {
        let step = pipeline.step(&mesh::objects(size, state)?);
        anyhow::ensure!(step.faults.is_empty(), "{:?}", step.faults);
        anyhow::ensure!(step.world.groups.len() == size.groups + 1, "wrong groups");
        for group in 0..size.groups {
            let snapshot = step.world.snapshot_for(&mesh::node(group).to_string());
            for ty in ResourceType::ALL {
                for (name, resource) in snapshot.of(ty) {
                    let line = Line {
                        state: state.index(),
                        group,
                        r#type: ty.type_url().to_owned(),
                        name: name.to_string(),
                        version: resource.version.to_string(),
                        body: hex(&resource.body),
                    };
                    serde_json::to_writer(&mut out, &line)?;
                    out.write_all(b"\n")?;
                }
            }
        }
    }
    out.flush()?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
