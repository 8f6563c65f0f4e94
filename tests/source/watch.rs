//! A folder is read again when it changes.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use mirrorplane::source::State;
use mirrorplane::source::run;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::mesh::Mesh;
use crate::mesh::service;
use crate::mesh::services;

struct Running {
    folder: watch::Receiver<Option<Arc<State>>>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// Starts to read, and waits for the first state.
    async fn start(mesh: &Mesh) -> Self {
        let (sender, folder) = watch::channel(None);
        let task = tokio::spawn(run(mesh.path().to_owned(), sender));
        let mut running = Self { folder, task };
        running.changed().await;
        running
    }

    async fn changed(&mut self) -> Vec<String> {
        timeout(Duration::from_secs(10), self.folder.changed())
            .await
            .expect("a state within the deadline")
            .unwrap();
        services(&self.folder.borrow_and_update().as_deref().unwrap().objects)
    }

    /// Waits until these are the Services.
    async fn until(&mut self, expected: &[&str]) {
        let all =
            |folder: &Option<Arc<State>>| services(&folder.as_deref().unwrap().objects) == expected;
        let found = timeout(Duration::from_secs(10), self.folder.wait_for(all)).await;
        found
            .unwrap_or_else(|_| panic!("no {expected:?} within the deadline"))
            .unwrap();
    }
}

fn mesh() -> Mesh {
    Mesh::new(&[("a.yaml", &service("a", "1"))])
}

#[tokio::test]
async fn the_first_state_is_complete_and_a_missing_folder_publishes_none() {
    let mesh = mesh();
    let running = Running::start(&mesh).await;
    assert_eq!(
        services(&running.folder.borrow().as_deref().unwrap().objects),
        ["default/a"]
    );
    let (sender, folder) = watch::channel(None);
    let error = run(mesh.at("missing"), sender).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(folder.borrow().is_none());
}

#[tokio::test]
async fn files_that_are_written_renamed_or_removed_are_seen() {
    let mesh = mesh();
    let mut running = Running::start(&mesh).await;
    mesh.write("x/y/b.yaml", service("b", "1"));
    running.until(&["default/a", "default/b"]).await;
    // As an editor saves: beside it, then over it.
    mesh.write("x/y/.b.yaml.swp", service("c", "1"));
    fs::rename(mesh.at("x/y/.b.yaml.swp"), mesh.at("x/y/b.yaml")).unwrap();
    running.until(&["default/a", "default/c"]).await;
    fs::remove_file(mesh.at("a.yaml")).unwrap();
    running.until(&["default/c"]).await;
    fs::remove_dir_all(mesh.at("x")).unwrap();
    running.until(&[]).await;
}

#[tokio::test]
async fn a_burst_of_writes_is_read_few_times() {
    let mesh = mesh();
    let mut running = Running::start(&mesh).await;
    let writes = 100;
    for write in 0..writes {
        mesh.write("b.yaml", service(&format!("b{write}"), "1"));
    }
    let mut published = 0;
    while running.changed().await.last().unwrap() != "default/b99" {
        published += 1;
        assert!(published < writes / 10, "{published} states published");
    }
}

#[tokio::test]
async fn reading_and_equal_content_publish_nothing() {
    let mesh = mesh();
    let mut running = Running::start(&mesh).await;
    mesh.write("a.yaml", service("a", "1"));
    mesh.write("notes.txt", "nothing of ours");
    let quiet = timeout(Duration::from_millis(700), running.folder.changed()).await;
    assert!(quiet.is_err(), "published again");
}

#[cfg(unix)]
#[tokio::test]
async fn the_swap_of_a_config_map_volume_is_seen() {
    use std::os::unix::fs::symlink;
    let mesh = Mesh::new(&[
        ("..1/a.yaml", &service("a", "1")),
        ("..2/a.yaml", &service("b", "1")),
    ]);
    symlink("..1", mesh.at("..data")).unwrap();
    symlink("..data/a.yaml", mesh.at("a.yaml")).unwrap();
    let mut running = Running::start(&mesh).await;
    running.until(&["default/a"]).await;
    symlink("..2", mesh.at("..data_tmp")).unwrap();
    fs::rename(mesh.at("..data_tmp"), mesh.at("..data")).unwrap();
    fs::remove_dir_all(mesh.at("..1")).unwrap();
    running.until(&["default/b"]).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_change_behind_a_link_is_found_without_a_notification() {
    let outside = Mesh::new(&[("a", &service("a", "1"))]);
    let mesh = Mesh::new(&[]);
    std::os::unix::fs::symlink(outside.at("a"), mesh.at("a.yaml")).unwrap();
    let mut running = Running::start(&mesh).await;
    outside.write("a", service("b", "1"));
    running.until(&["default/b"]).await;
}

#[tokio::test]
async fn a_folder_that_is_removed_keeps_its_state_and_is_watched_again_when_it_is_back() {
    let outer = Mesh::new(&[("mesh/a.yaml", &service("a", "1"))]);
    let (sender, folder) = watch::channel(None);
    let task = tokio::spawn(run(outer.at("mesh"), sender));
    let mut running = Running { folder, task };
    running.changed().await;
    fs::remove_dir_all(outer.at("mesh")).unwrap();
    let reported = |folder: &Option<Arc<State>>| !folder.as_deref().unwrap().report.is_empty();
    timeout(Duration::from_secs(10), running.folder.wait_for(reported))
        .await
        .unwrap()
        .unwrap();
    running.until(&["default/a"]).await;
    outer.write("mesh/a.yaml", service("b", "1"));
    running.until(&["default/b"]).await;
    outer.write("mesh/a.yaml", service("c", "1"));
    running.until(&["default/c"]).await;
}

#[tokio::test]
async fn it_ends_when_nobody_listens() {
    let mesh = mesh();
    let (sender, folder) = watch::channel(None);
    let task = tokio::spawn(run(mesh.path().to_owned(), sender));
    drop(folder);
    let ended = timeout(Duration::from_secs(10), task).await.unwrap();
    assert!(ended.unwrap().is_ok());
}
