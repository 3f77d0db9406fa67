//! Waiting: a list, then a watch from there, and a list again wherever a watch cannot go on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use kube::api::{DynamicObject, ListParams, WatchEvent, WatchParams};
use steps::{Event, Sink, TimedOut, Wait, chain};

use crate::{Api, ApiError, Place};

/// Which objects to look at.
#[derive(Debug, Clone)]
pub struct Selection {
    api_version: String,
    kind: String,
    namespace: Option<String>,
    name: Option<String>,
    labels: Option<String>,
}

impl Selection {
    /// All objects of a kind.
    pub fn all(api_version: &str, kind: &str) -> Self {
        let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
        Self { api_version, kind, namespace: None, name: None, labels: None }
    }

    /// One object, there or not.
    pub fn one(place: &Place) -> Self {
        let all = Self::all(&place.api_version, &place.kind);
        Self { namespace: place.namespace.clone(), name: Some(place.name.clone()), ..all }
    }

    /// Only those of a namespace.
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// Only those with these labels, `app=ks-console`.
    pub fn labelled(mut self, labels: &str) -> Self {
        self.labels = Some(labels.to_owned());
        self
    }

    fn field(&self) -> Option<String> {
        self.name.as_ref().map(|name| format!("metadata.name={name}"))
    }

    fn list(&self) -> ListParams {
        ListParams { label_selector: self.labels.clone(), field_selector: self.field(), ..ListParams::default() }
    }

    fn watch(&self, seconds: u32) -> WatchParams {
        let plain = WatchParams::default().timeout(seconds);
        WatchParams { label_selector: self.labels.clone(), field_selector: self.field(), ..plain }
    }
}

/// What a watch ended with.
enum End<T> {
    /// The condition is true.
    Met(T),
    /// It is over as watches are, or was cut off: it goes on from the last version seen.
    Over,
    /// The version it would go on from is gone: everything is listed again.
    Gone,
    /// It may not be watched, only listed.
    Refused,
    /// The time is over.
    Deadline,
}

impl Api {
    /// Looks at the selected objects until `judge` answers `Ok`, or the deadline passes; `Err` from it is the reason why
    /// not yet. An API that is away is waited for; one that refuses ends the wait.
    pub async fn wait_until<T>(
        &self,
        selection: &Selection,
        wait: Wait,
        sink: &dyn Sink,
        mut judge: impl FnMut(&[DynamicObject]) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let mut watching = Watching::new(wait, sink);
        loop {
            match tokio::time::timeout(watching.left(), self.look(selection, &mut watching.seen)).await {
                Err(_) => return Err(watching.timed_out()),
                Ok(Err(error)) if error.is_passing() || matches!(error, ApiError::NotServed { .. }) => {
                    watching.last = chain(&error);
                    watching.pause().await?;
                    continue;
                }
                Ok(Err(error)) => return Err(error),
                Ok(Ok(())) => {}
            }
            if let Some(value) = watching.judge(&mut judge) {
                return Ok(value);
            }
            loop {
                match self.follow(selection, &mut watching, &mut judge).await? {
                    End::Met(value) => return Ok(value),
                    End::Deadline => return Err(watching.timed_out()),
                    End::Over => watching.pause().await?,
                    End::Gone | End::Refused => {
                        watching.pause().await?;
                        break;
                    }
                }
            }
        }
    }

    /// Everything that is selected, as it is now.
    async fn look(&self, selection: &Selection, seen: &mut Seen) -> Result<(), ApiError> {
        let namespace = selection.namespace.as_deref();
        let objects = self.all(&selection.api_version, &selection.kind, namespace).await?;
        let params = selection.list();
        let list = self.once(&format!("list {}", selection.kind), objects.list(&params)).await?;
        seen.version = list.metadata.resource_version.unwrap_or_default();
        seen.objects = list.items.into_iter().map(|object| (key(&object), object)).collect();
        seen.source = Some(objects);
        Ok(())
    }

    /// One watch from the last version seen to its end.
    async fn follow<T>(
        &self,
        selection: &Selection,
        watching: &mut Watching<'_>,
        judge: &mut impl FnMut(&[DynamicObject]) -> Result<T, String>,
    ) -> Result<End<T>, ApiError> {
        let Some(objects) = watching.seen.source.clone() else { return Ok(End::Gone) };
        let doing = format!("watch {}", selection.kind);
        let seconds = watching.left().as_secs().clamp(1, 290);
        let params = selection.watch(u32::try_from(seconds).unwrap_or(290));
        let opened = self.once(&doing, objects.watch(&params, &watching.seen.version)).await;
        let mut events = match opened {
            Ok(events) => std::pin::pin!(events),
            Err(ApiError::Refused { code: 410, .. }) => return Ok(End::Gone),
            Err(ApiError::Refused { code: 405, .. } | ApiError::Forbidden { .. }) => return Ok(End::Refused),
            Err(error) if error.is_passing() => {
                watching.last = chain(&error);
                return Ok(End::Over);
            }
            Err(error) => return Err(error),
        };
        loop {
            let tick = watching.left().min(Duration::from_secs(5));
            let event = match tokio::time::timeout(tick, events.next()).await {
                Err(_) => {
                    watching.tell();
                    if watching.left().is_zero() {
                        return Ok(End::Deadline);
                    }
                    continue;
                }
                Ok(None | Some(Err(_))) => return Ok(End::Over),
                Ok(Some(Ok(event))) => event,
            };
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => watching.seen.put(object),
                WatchEvent::Deleted(object) => watching.seen.take(&object),
                WatchEvent::Bookmark(mark) => {
                    watching.seen.version = mark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) if status.code == 410 => return Ok(End::Gone),
                WatchEvent::Error(status) => {
                    watching.last = status.message;
                    return Ok(End::Gone);
                }
            }
            if let Some(value) = watching.judge(judge) {
                return Ok(End::Met(value));
            }
        }
    }
}

fn key(object: &DynamicObject) -> (String, String) {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    (text(&object.metadata.namespace), text(&object.metadata.name))
}

/// What is known of the selected objects.
#[derive(Default)]
struct Seen {
    objects: BTreeMap<(String, String), DynamicObject>,
    version: String,
    source: Option<kube::Api<DynamicObject>>,
}

impl Seen {
    fn put(&mut self, object: DynamicObject) {
        self.version = object.metadata.resource_version.clone().unwrap_or_default();
        self.objects.insert(key(&object), object);
    }

    fn take(&mut self, object: &DynamicObject) {
        self.version = object.metadata.resource_version.clone().unwrap_or_default();
        self.objects.remove(&key(object));
    }
}

/// A wait under way.
struct Watching<'a> {
    wait: Wait,
    sink: &'a dyn Sink,
    start: Instant,
    told: Instant,
    last: String,
    seen: Seen,
}

impl<'a> Watching<'a> {
    fn new(wait: Wait, sink: &'a dyn Sink) -> Self {
        let now = Instant::now();
        Self { wait, sink, start: now, told: now, last: "not looked yet".into(), seen: Seen::default() }
    }

    fn left(&self) -> Duration {
        self.wait.deadline.saturating_sub(self.start.elapsed())
    }

    fn timed_out(&self) -> ApiError {
        TimedOut { what: self.wait.what.clone(), after: self.wait.deadline, last: self.last.clone() }.into()
    }

    fn judge<T>(&mut self, judge: &mut impl FnMut(&[DynamicObject]) -> Result<T, String>) -> Option<T> {
        let objects: Vec<DynamicObject> = self.seen.objects.values().cloned().collect();
        match judge(&objects) {
            Ok(value) => Some(value),
            Err(why) => {
                self.last = why;
                self.tell();
                None
            }
        }
    }

    fn tell(&mut self) {
        if self.told.elapsed() >= Duration::from_secs(5) {
            self.told = Instant::now();
            let (step, last) = (self.wait.what.clone(), self.last.clone());
            self.sink.emit(Event::Waiting { step, last, elapsed: self.start.elapsed() });
        }
    }

    /// Until the next look; the deadline may come first.
    async fn pause(&mut self) -> Result<(), ApiError> {
        self.tell();
        if self.left() <= self.wait.every {
            return Err(self.timed_out());
        }
        tokio::time::sleep(self.wait.every).await;
        Ok(())
    }
}
