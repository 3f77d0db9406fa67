//! Objects of any kind: apply, read, patch, delete.

use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::discovery::Scope;
use serde_json::Value;

use crate::{Api, ApiError};

/// An object's address: what it is and what it is called.
///
/// ```
/// let place = kubeapi::Place::new("apps/v1", "Deployment", "ks-console").within("kubesphere-system");
/// assert_eq!(place.to_string(), "Deployment kubesphere-system/ks-console");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `apps/v1`; `v1` for the core.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Its namespace; none for what stands outside all.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Place {
    /// An object outside all namespaces.
    pub fn new(api_version: &str, kind: &str, name: &str) -> Self {
        Self { api_version: api_version.into(), kind: kind.into(), namespace: None, name: name.into() }
    }

    /// The same inside a namespace.
    pub fn within(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Where an object that is about to be applied belongs.
    pub fn of(object: &Value) -> Self {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        Self {
            api_version: text(&object["apiVersion"]),
            kind: text(&object["kind"]),
            namespace: object["metadata"]["namespace"].as_str().map(str::to_owned),
            name: text(&object["metadata"]["name"]),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// What an apply did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// There was none.
    Created,
    /// It was another.
    Changed,
    /// It was as wanted.
    Unchanged,
}

impl Applied {
    /// Whether anything is different now.
    pub fn changed(self) -> bool {
        self != Self::Unchanged
    }
}

impl Api {
    /// Whether the API serves a kind. Looks at that group and version only.
    pub async fn serves(&self, api_version: &str, kind: &str) -> Result<bool, ApiError> {
        match self.resource(api_version, kind).await {
            Ok(_) => Ok(true),
            Err(ApiError::NotServed { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// The first of these versions of a group in which the API serves a kind.
    pub async fn first_served(&self, api_versions: &[&str], kind: &str) -> Result<String, ApiError> {
        for version in api_versions {
            if self.serves(version, kind).await? {
                return Ok((*version).to_owned());
            }
        }
        Err(ApiError::NotServed { kind: kind.to_owned(), api_version: api_versions.join(", ") })
    }

    /// How the API calls the objects of a kind, and whether they live in namespaces.
    pub(crate) async fn resource(&self, api_version: &str, kind: &str) -> Result<(ApiResource, Scope), ApiError> {
        let types = TypeMeta { api_version: api_version.to_owned(), kind: kind.to_owned() };
        let missing = || ApiError::NotServed { kind: kind.to_owned(), api_version: api_version.to_owned() };
        let gvk = GroupVersionKind::try_from(&types).map_err(|_| missing())?;
        let doing = format!("discover {kind} of {api_version}");
        let ask = || async {
            match kube::discovery::pinned_kind(&self.client, &gvk).await {
                Ok((resource, caps)) => Ok(Some((resource, caps.scope))),
                // no such group or version, or no such kind in it
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
                Err(kube::Error::Discovery(_)) => Ok(None),
                Err(e) => Err(e),
            }
        };
        self.again(&doing, ask).await?.ok_or_else(missing)
    }

    async fn objects(&self, place: &Place) -> Result<kube::Api<DynamicObject>, ApiError> {
        self.all(&place.api_version, &place.kind, place.namespace.as_deref()).await
    }

    /// The objects of a kind in one namespace or in all.
    pub(crate) async fn all(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<kube::Api<DynamicObject>, ApiError> {
        let (resource, scope) = self.resource(api_version, kind).await?;
        Ok(match (scope, namespace) {
            (Scope::Namespaced, Some(namespace)) => kube::Api::namespaced_with(self.client(), namespace, &resource),
            _ => kube::Api::all_with(self.client(), &resource),
        })
    }

    /// Server-side apply of one object as `manager`. A field that somebody else has set to something else is a
    /// [`ApiError::Conflict`]; nothing is taken over.
    pub async fn apply(&self, object: &Value, manager: &str) -> Result<Applied, ApiError> {
        self.apply_with(object, &PatchParams::apply(manager)).await
    }

    /// The same, taking over fields that others have set.
    pub async fn take_over(&self, object: &Value, manager: &str) -> Result<Applied, ApiError> {
        self.apply_with(object, &PatchParams::apply(manager).force()).await
    }

    async fn apply_with(&self, object: &Value, params: &PatchParams) -> Result<Applied, ApiError> {
        let place = Place::of(object);
        let objects = self.objects(&place).await?;
        let before = self.again(&format!("get {place}"), || objects.get_opt(&place.name)).await?;
        let doing = place.to_string();
        let patch = Patch::Apply(object);
        let after = self.again(&doing, || objects.patch(&place.name, params, &patch)).await?;
        Ok(match before {
            None => Applied::Created,
            Some(before) if before.metadata.resource_version == after.metadata.resource_version => Applied::Unchanged,
            // An old API counts a version up for nothing but the time of the apply.
            Some(before) if same(&before, &after) => Applied::Unchanged,
            Some(_) => Applied::Changed,
        })
    }

    /// A merge patch of what exists: what is `null` in it goes away. False when the object was so already.
    pub async fn merge(&self, place: &Place, patch: &Value) -> Result<bool, ApiError> {
        let objects = self.objects(place).await?;
        let before = self.again(&format!("get {place}"), || objects.get(&place.name)).await?;
        let params = PatchParams::default();
        let merge = Patch::Merge(patch);
        let after = self.again(&format!("patch {place}"), || objects.patch(&place.name, &params, &merge)).await?;
        Ok(!same(&before, &after))
    }

    /// An object, if it is there. A kind that is not served has no objects.
    pub async fn get(&self, place: &Place) -> Result<Option<DynamicObject>, ApiError> {
        match self.objects(place).await {
            Ok(objects) => self.again(&format!("get {place}"), || objects.get_opt(&place.name)).await,
            Err(ApiError::NotServed { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// All objects of a kind, in one namespace or in all. A kind that is not served has none.
    pub async fn list(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<Vec<DynamicObject>, ApiError> {
        let objects = match self.all(api_version, kind, namespace).await {
            Ok(objects) => objects,
            Err(ApiError::NotServed { .. }) => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let params = ListParams::default();
        Ok(self.again(&format!("list {kind}"), || objects.list(&params)).await?.items)
    }

    /// Deletes an object and, in the background, what belongs to it. False when it was not there.
    pub async fn delete(&self, place: &Place) -> Result<bool, ApiError> {
        let objects = match self.objects(place).await {
            Ok(objects) => objects,
            Err(ApiError::NotServed { .. }) => return Ok(false),
            Err(e) => return Err(e),
        };
        let params = DeleteParams::background();
        match self.again(&format!("delete {place}"), || objects.delete(&place.name, &params)).await {
            Ok(_) => Ok(true),
            Err(e) if e.is_not_found() => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// Whether two states of an object differ in nothing but the API's own bookkeeping.
fn same(before: &DynamicObject, after: &DynamicObject) -> bool {
    let plain = |object: &DynamicObject| {
        let mut object = object.clone();
        object.metadata.managed_fields = None;
        object.metadata.resource_version = None;
        serde_json::to_value(object).ok()
    };
    plain(before) == plain(after)
}
