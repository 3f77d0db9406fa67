//! Lists: tags, repositories, referrers.

use std::sync::Arc;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::answer::{Refusal, json_answer, set};
use super::query::Query;
use super::{State, blocking};
use crate::store::{Descriptor, OCI_INDEX};
use crate::{Digest, Repository};

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// Bytes of one part of a list of referrers.
const LARGEST_LIST: usize = 3 << 20;
const JSON: &str = "application/json";

pub(super) async fn tags(state: &Arc<State>, repository: Repository, query: &Query) -> Result<Response, Refusal> {
    let name = repository.clone();
    let tags = blocking(state, move |store| store.has_repository(&name).then(|| store.tags(&name)).transpose());
    let tags = tags.await?.ok_or_else(Refusal::unknown_name)?;
    let names = tags.iter().map(|t| t.as_str().to_owned()).collect();
    let page = Page::of(names, query)?;
    let mut response = json_answer(&json!({ "name": repository.as_str(), "tags": page.names }), JSON);
    page.link(&mut response, &format!("/v2/{repository}/tags/list"));
    Ok(response)
}

pub(super) async fn catalog(state: &Arc<State>, query: &Query) -> Result<Response, Refusal> {
    let names = blocking(state, |store| Ok(store.repositories()?.iter().map(ToString::to_string).collect())).await?;
    let page = Page::of(names, query)?;
    let mut response = json_answer(&json!({ "repositories": page.names }), JSON);
    page.link(&mut response, "/v2/_catalog");
    Ok(response)
}

pub(super) async fn referrers(
    state: &Arc<State>,
    repository: Repository,
    subject: Digest,
    query: &Query,
) -> Result<Response, Refusal> {
    let path = format!("/v2/{repository}/referrers/{subject}");
    let mut found = blocking(state, move |store| store.referrers(&repository, &subject)).await?;
    let wanted = query.get("artifactType");
    if let Some(wanted) = wanted {
        found.retain(|d| d.artifact_type.as_deref() == Some(wanted));
    }
    // The list is an index, and no index is larger than a manifest may be: it comes in parts.
    if let Some(last) = query.get("last") {
        found.retain(|d| d.digest.as_str() > last);
    }
    let mut size = 0;
    let fits = |d: &&Descriptor| {
        size += serde_json::to_string(d).map_or(0, |text| text.len() + 1);
        size < LARGEST_LIST
    };
    let fitting = found.iter().take_while(fits).count().max(1);
    let more = fitting < found.len();
    found.truncate(fitting);
    let body = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found });
    let mut response = json_answer(&body, OCI_INDEX);
    if let Some(last) = found.last().filter(|_| more) {
        let mut next = form_urlencoded::Serializer::new(String::new());
        next.append_pair("last", &last.digest);
        wanted.map(|wanted| next.append_pair("artifactType", wanted));
        set(&mut response, header::LINK, &format!("<{path}?{}>; rel=\"next\"", next.finish()));
    }
    if wanted.is_some() {
        set(&mut response, FILTERS_APPLIED, "artifactType");
    }
    Ok(response)
}

/// A piece of a sorted list, by `n` and `last`.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    names: Vec<String>,
    /// Query of the next piece.
    next: Option<String>,
}

/// The specification's "case-insensitive alphanumeric order"; what differs in case only, in a fixed order.
fn order(name: &str) -> (String, &str) {
    (name.to_ascii_lowercase(), name)
}

impl Page {
    fn of(mut names: Vec<String>, query: &Query) -> Result<Self, Refusal> {
        names.sort_by(|a, b| order(a).cmp(&order(b)));
        if let Some(last) = query.get("last") {
            names.retain(|name| order(name) > order(last));
        }
        let Some(n) = query.get("n") else { return Ok(Self { names, next: None }) };
        let n: usize =
            n.parse().map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", "n is not a number"))?;
        let more = n < names.len();
        names.truncate(n);
        let next = names.last().filter(|_| more).map(|last| {
            form_urlencoded::Serializer::new(String::new())
                .append_pair("n", &n.to_string())
                .append_pair("last", last)
                .finish()
        });
        Ok(Self { names, next })
    }

    fn link(&self, response: &mut Response, path: &str) {
        if let Some(next) = &self.next {
            set(response, header::LINK, &format!("<{path}?{next}>; rel=\"next\""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_sorted_and_linked() {
        let names = || ["c", "a", "d", "b"].map(str::to_owned).to_vec();
        let page = |query: &str| Page::of(names(), &Query::parse(Some(query))).unwrap();
        assert_eq!(page("").names, ["a", "b", "c", "d"]);
        assert_eq!(page("n=2"), Page { names: vec!["a".into(), "b".into()], next: Some("n=2&last=b".into()) });
        assert_eq!(page("n=2&last=b"), Page { names: vec!["c".into(), "d".into()], next: None });
        assert_eq!(page("last=x").names, Vec::<String>::new());
        assert_eq!(page("n=0"), Page { names: vec![], next: None });
        assert!(Page::of(names(), &Query::parse(Some("n=x"))).is_err());
        let mixed = ["b", "B", "a", "C"].map(str::to_owned).to_vec();
        assert_eq!(Page::of(mixed, &Query::default()).unwrap().names, ["a", "B", "b", "C"]);
    }
}
