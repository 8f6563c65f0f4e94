//! `mirrorplane crds`, and the files that it was written to.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::command::{mirrorplane, stdout};

#[test]
fn the_definitions_in_git_are_those_that_the_command_prints() {
    let printed = stdout(&mirrorplane(&["crds"]));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/crds");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut documents = printed.split("---\n");
    assert_eq!(documents.next(), Some(""));
    let mut count = 0;
    for document in documents {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        let plural = object["spec"]["names"]["plural"].as_str().unwrap();
        let path = folder.join(format!("{plural}.yaml"));
        let expected =
            format!("# Written by UPDATE_GOLDEN=1 cargo test --test cli definitions\n{document}");
        if update {
            fs::write(&path, &expected).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == expected,
            "{} is not what the types say now; UPDATE_GOLDEN=1 cargo test --test cli definitions writes it",
            path.display()
        );
        count += 1;
    }
    let kustomization = Path::new("kustomization.yaml").as_os_str();
    let files = fs::read_dir(&folder).unwrap();
    let files = files.filter(|file| file.as_ref().unwrap().file_name() != kustomization);
    assert_eq!(
        files.count(),
        count,
        "a definition of something is left over"
    );
}

#[test]
fn the_definitions_are_one_list_in_json() {
    let list: Value = serde_json::from_str(&stdout(&mirrorplane(&["crds", "-o", "json"]))).unwrap();
    let names: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["metadata"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "plugins.plugin.flomesh.io",
            "pluginchains.plugin.flomesh.io",
            "pluginconfigs.plugin.flomesh.io",
            "meshconfigs.config.openservicemesh.io",
        ]
    );
}
