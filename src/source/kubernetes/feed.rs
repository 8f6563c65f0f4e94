//! The objects of one kind: finds out where the API server has them, lists them, watches them, for ever.
//!
//! ```text
//! find ──► list ──► watch ──┐
//!  ▲        ▲ 410    │  ▲   │ ended, failed: from where it was
//!  └─ 404 ──┴────────┘  └───┘
//! ```
//!
//! No answer of the server empties what was read: only a complete list, a deletion that it tells, or that it has been
//! without the kind for a while does.

use std::time::Duration;

use futures_util::StreamExt;
use kube::Client;
use kube::api::ListParams;
use kube::api::WatchEvent;
use kube::api::WatchParams;
use kube::core::Request;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;

use super::backoff::Backoff;
use super::backoff::jittered;
use super::fault::Closed;
use super::fault::Fault;
use super::news::News;
use super::news::Trouble;
use super::read::name;
use super::read::read;
use crate::source::kind::Kind;
use crate::source::kind::Row;

/// Objects of a page. A page is in memory as a whole, with all that is then dropped.
const PAGE: u32 = 250;
/// How long a watch may last; the server ends it then. Longer, and a connection that died in silence would be noticed later.
const WATCH: Duration = Duration::from_secs(60);
/// How long the server may take for an answer, and what a watch is given beyond its time.
const ANSWER: Duration = Duration::from_secs(20);
/// How often is looked for a kind that the cluster does not have.
const LOOK: Duration = Duration::from_secs(2);
/// How long a kind that was there has to be absent until its objects are taken as gone: an API server that starts, or one of
/// several that is behind, may not have it yet.
const ABSENT: Duration = Duration::from_secs(5);
/// How long a refusal has to last: an API server that starts does not know all permissions yet.
const REFUSED: Duration = Duration::from_secs(5);
/// How long a watch has to last to count as one that works.
const STEADY: Duration = Duration::from_secs(1);
/// How long a watch may fail until everything is asked for again.
const STALE: Duration = Duration::from_secs(30);
/// How long a server that does not answer is nothing special: it may restart.
const LOST: Duration = Duration::from_secs(2);

/// Where the news of the feeds go, with the number of the feed.
pub(super) type Outbox = mpsc::Sender<(usize, News)>;

/// The part of a list that is read.
#[derive(Deserialize)]
struct Page {
    metadata: PageMeta,
    /// `null` for a moment after the kind was defined, and then as good as nothing.
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct PageMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    token: Option<String>,
}

/// Follows the objects of one kind.
pub(super) struct Feed {
    client: Client,
    row: &'static Row,
    number: usize,
    outbox: Outbox,
    backoff: Backoff,
    failing_since: Option<Instant>,
    /// What was told last of what is the matter.
    told: Option<Trouble>,
    /// Whether a list was completed, or the absence told.
    known: bool,
    absent_since: Option<Instant>,
    /// Whether lists are asked for by page. Not while pages expire sooner than they are read.
    paged: bool,
}

impl Feed {
    /// A feed of the kind of a row, known by a number to those who hear of it.
    pub(super) fn new(client: Client, row: &'static Row, number: usize, outbox: Outbox) -> Self {
        Self {
            client,
            row,
            number,
            outbox,
            backoff: Backoff::default(),
            failing_since: None,
            told: None,
            known: false,
            absent_since: None,
            paged: true,
        }
    }

    /// Tells what there is and what changes, until nobody listens.
    pub(super) async fn run(mut self) {
        loop {
            let fault = match self.find().await {
                Ok(Some(path)) => {
                    self.absent_since = None;
                    self.follow(&path).await
                }
                Ok(None) => Fault::Missing,
                Err(fault) => fault,
            };
            let handled = match fault {
                Fault::Closed => return,
                Fault::Expired => {
                    self.paged = false;
                    self.wait().await
                }
                Fault::Missing => self.absent().await,
                Fault::Failed(trouble) => self.failed(trouble).await,
            };
            if handled.is_err() {
                return;
            }
        }
    }

    async fn tell(&self, news: News) -> Result<(), Closed> {
        let sent = self.outbox.send((self.number, news)).await;
        sent.map_err(|_| Closed)
    }

    /// Where the server has the kind, in the newest version that is read; `None` if it does not have it.
    async fn find(&self) -> Result<Option<String>, Fault> {
        for version in self.row.versions.iter().rev() {
            let group = self.row.group;
            let found = if group.is_empty() {
                timeout(ANSWER, self.client.list_core_api_resources(version)).await?
            } else {
                let group_version = format!("{group}/{version}");
                timeout(ANSWER, self.client.list_api_group_resources(&group_version)).await?
            };
            let resources = match found.map_err(Fault::from) {
                Ok(found) => found.resources,
                Err(Fault::Missing) => continue,
                Err(fault) => return Err(fault),
            };
            let resource = resources
                .into_iter()
                .find(|one| one.kind == self.row.name && !one.name.contains('/'));
            if let Some(resource) = resource {
                return Ok(Some(match group {
                    "" => format!("/api/{version}/{}", resource.name),
                    group => format!("/apis/{group}/{version}/{}", resource.name),
                }));
            }
        }
        Ok(None)
    }

    /// Lists and watches until that does not go on.
    async fn follow(&mut self, path: &str) -> Fault {
        loop {
            let mut version = match self.list(path).await {
                Ok(version) => version,
                Err(fault) => return fault,
            };
            self.paged = true;
            loop {
                let started = Instant::now();
                let ended = self.watch(path, &mut version).await;
                // One that ends as soon as it begins is no success, and is not asked for again at once.
                let lasted = started.elapsed() >= STEADY;
                if lasted {
                    self.backoff.reset();
                    self.failing_since = None;
                }
                let expired = matches!(ended, Err(Fault::Expired));
                let handled = match ended {
                    Ok(()) if lasted => Ok(()),
                    Ok(()) | Err(Fault::Expired) => self.wait().await,
                    Err(Fault::Failed(trouble)) => self.failed(trouble).await,
                    Err(fault) => return fault,
                };
                if let Err(closed) = handled {
                    return closed.into();
                }
                // After long, the server may not be the one that it was: restored, it has never seen what it told last.
                let stale = self
                    .failing_since
                    .is_some_and(|since| since.elapsed() >= STALE);
                if expired || stale {
                    tracing::debug!(kind = self.row.name, "watch expired, listing again");
                    break;
                }
            }
        }
    }

    /// Tells of all objects, and yields the version of the list.
    async fn list(&mut self, path: &str) -> Result<String, Fault> {
        self.tell(News::Listing).await?;
        let mut token = None;
        loop {
            let params = ListParams {
                limit: self.paged.then_some(PAGE),
                continue_token: token.take(),
                ..ListParams::default()
            };
            let request = Request::new(path);
            let request = if self.is_trimmed_by_server() {
                request.list_metadata(&params)
            } else {
                request.list(&params)
            };
            let request = request.map_err(kube::Error::BuildRequest)?;
            let page: Page = timeout(ANSWER, self.client.request(request)).await??;
            for item in page.items.into_iter().flatten() {
                self.tell_of(item).await?;
            }
            token = page.metadata.token.filter(|token| !token.is_empty());
            if token.is_none() {
                self.tell(News::Listed).await?;
                self.known = true;
                self.well().await?;
                return Ok(page.metadata.resource_version);
            }
        }
    }

    /// Tells of all changes since a version, until the server ends the watch.
    async fn watch(&mut self, path: &str, version: &mut String) -> Result<(), Fault> {
        let params = WatchParams {
            timeout: u32::try_from(WATCH.as_secs()).ok(),
            ..WatchParams::default()
        };
        let request = Request::new(path);
        let request = if self.is_trimmed_by_server() {
            request.watch_metadata(&params, version)
        } else {
            request.watch(&params, version)
        };
        let request = request.map_err(kube::Error::BuildRequest)?;
        let events = timeout(ANSWER, self.client.request_events::<Value>(request)).await??;
        let mut events = std::pin::pin!(events);
        self.well().await?;
        while let Some(event) = timeout(WATCH + ANSWER, events.next()).await? {
            match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    remember(version, &object);
                    self.tell_of(object).await?;
                }
                WatchEvent::Deleted(object) => {
                    remember(version, &object);
                    if let Some(name) = name(self.row.kind, &object) {
                        self.tell(News::Deleted(name)).await?;
                    }
                }
                WatchEvent::Bookmark(bookmark) => *version = bookmark.metadata.resource_version,
                WatchEvent::Error(status) => return Err(kube::Error::Api(status).into()),
            }
        }
        Ok(())
    }

    /// Of these nothing but the metadata is read, and there are many.
    fn is_trimmed_by_server(&self) -> bool {
        matches!(self.row.kind, Kind::Pod | Kind::Namespace)
    }

    async fn tell_of(&self, object: Value) -> Result<(), Closed> {
        match read(self.row.kind, object) {
            Some(reading) => self.tell(News::Object(Box::new(reading))).await,
            None => {
                tracing::warn!(kind = self.row.name, "an object without a name");
                Ok(())
            }
        }
    }

    /// The server answered as it should.
    async fn well(&mut self) -> Result<(), Closed> {
        self.told = None;
        self.tell(News::Well).await
    }

    /// Waits a little; longer with each time that nothing succeeded in between.
    async fn wait(&mut self) -> Result<(), Closed> {
        let wait = self.backoff.next();
        tokio::select! {
            () = sleep(wait) => Ok(()),
            () = self.outbox.closed() => Err(Closed),
        }
    }

    /// Tells what is the matter once it has lasted, and waits.
    async fn failed(&mut self, trouble: Trouble) -> Result<(), Closed> {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        tracing::debug!(kind = self.row.name, ?trouble, "the Kubernetes API failed");
        let patience = match trouble {
            Trouble::Refused(_) => REFUSED,
            Trouble::Lost(_) => LOST,
        };
        let is_news = !self
            .told
            .as_ref()
            .is_some_and(|told| told.is_like(&trouble));
        if since.elapsed() >= patience && is_news {
            self.told = Some(trouble.clone());
            self.tell(News::Trouble(trouble)).await?;
        }
        self.wait().await
    }

    /// Tells that the kind is not there, if that is certain, and looks again after a while.
    async fn absent(&mut self) -> Result<(), Closed> {
        let since = *self.absent_since.get_or_insert_with(Instant::now);
        if !self.known || since.elapsed() >= ABSENT {
            self.known = true;
            self.backoff.reset();
            self.failing_since = None;
            self.tell(News::Absent).await?;
            self.well().await?;
        }
        sleep(jittered(LOOK)).await;
        Ok(())
    }
}

/// Notes the version of the last change.
fn remember(version: &mut String, object: &Value) {
    let at = object.pointer("/metadata/resourceVersion");
    if let Some(at) = at.and_then(Value::as_str) {
        at.clone_into(version);
    }
}
