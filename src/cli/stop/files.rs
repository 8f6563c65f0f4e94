//! Says where in a folder the annotation belongs. Files are not changed: their comments, and whoever keeps them, would lose.

use std::process::ExitCode;

use anyhow::Context;
use anyhow::bail;

use super::Switch;
use crate::api::annotation::STOP;
use crate::api::meta::ObjectMeta;
use crate::cli::output;
use crate::diag::FieldPath;
use crate::diag::Origin;
use crate::diag::Report;
use crate::dialect::mesh_config_in_force;
use crate::name::Namespaced;
use crate::source::State;

/// Prints the place of each, and what is to be there. If anything is to be done it ends with 2, as it is not done yet.
pub(super) fn tell(
    state: &State,
    switches: &[Switch],
    stop: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let mut is_done = true;
    for switch in switches {
        let (text, is_so) = one(state, switch, stop)?;
        output::print(text)?;
        is_done &= is_so;
    }
    if is_done {
        return Ok(ExitCode::SUCCESS);
    }
    bail!("files are yours: nothing is changed until you do it")
}

/// What is to be there, and whether it is so already.
fn one(state: &State, switch: &Switch, stop: Option<&str>) -> anyhow::Result<(String, bool)> {
    let objects = &state.objects;
    let found: Option<(&ObjectMeta, &Origin)> = match switch {
        Switch::Config(name) => {
            let found = objects.plugin_configs.get(name);
            found.map(|one| (&one.object.metadata, &one.origin))
        }
        Switch::Namespace(name) => {
            let found = objects.namespaces.get(&Namespaced::cluster(name));
            found.map(|one| (&one.object.metadata, &one.origin))
        }
        Switch::Everything => {
            let found = mesh_config_in_force(&objects.mesh_configs, &mut Report::default());
            found.map(|one| (&one.object.metadata, &one.origin))
        }
    };
    let (metadata, origin) = found.with_context(|| match switch {
        Switch::Config(name) => format!("there is no PluginConfig `{name}`"),
        Switch::Namespace(name) => {
            format!("there is no Namespace `{name}` in the folder to have an annotation")
        }
        Switch::Everything => "there is no MeshConfig, and so nothing is mirrored".to_owned(),
    })?;
    let path = FieldPath::of("metadata.annotations").key(STOP);
    let place = origin.place(&path).map(|place| format!("{place}  "));
    let object = origin.object.as_ref().map(ToString::to_string);
    let place = place.unwrap_or_default() + &object.unwrap_or_default();
    let is_there = metadata.annotations.contains_key(STOP);
    let text = match stop {
        None if is_there => format!("{place}: remove this annotation"),
        None => format!("{place}: nothing to remove"),
        // JSON's text is YAML's, whatever is in it.
        Some(reason) => {
            let reason = serde_json::to_string(reason)?;
            match (is_there, metadata.annotations.is_empty()) {
                (true, _) => format!("{place}: let it be\n    {STOP}: {reason}"),
                (false, false) => format!("{place}: add to its annotations\n    {STOP}: {reason}"),
                (false, true) => {
                    format!("{place}: add to its metadata\n  annotations:\n    {STOP}: {reason}")
                }
            }
        }
    };
    Ok((text, stop.is_none() && !is_there))
}
