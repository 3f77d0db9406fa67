//! Which operation a path names. Repository names contain slashes and may contain the words `blobs`, `manifests` or
//! `tags`, so paths are read from their end.

use percent_encoding::percent_decode_str;

use crate::{Digest, Repository, Tag};

/// A manifest's name in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reference {
    Tag(Tag),
    Digest(Digest),
}

/// One kind of path of the OCI distribution specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Health,
    Metrics,
    Base,
    Catalog,
    Tags(Repository),
    Manifest(Repository, Reference),
    Blob(Repository, Digest),
    Uploads(Repository),
    Upload(Repository, String),
    Referrers(Repository, Digest),
}

/// Why a path names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// No operation has such a path.
    Unknown,
    /// The repository's name is not valid.
    Name,
    /// The digest is not valid.
    Digest,
    /// The tag or digest of a manifest is not valid.
    Reference,
}

impl Route {
    pub(super) fn parse(path: &str) -> Result<Self, NoRoute> {
        let path = percent_decode_str(path).decode_utf8().map_err(|_| NoRoute::Unknown)?;
        if path == "/healthz" {
            return Ok(Self::Health);
        }
        if path == "/metrics" {
            return Ok(Self::Metrics);
        }
        let rest = match path.strip_prefix("/v2") {
            Some("" | "/") => return Ok(Self::Base),
            Some("/_catalog") => return Ok(Self::Catalog),
            Some(rest) => rest.strip_prefix('/').ok_or(NoRoute::Unknown)?,
            None => return Err(NoRoute::Unknown),
        };
        let name = |text: &str| text.parse::<Repository>().map_err(|_| NoRoute::Name);
        let digest = |text: &str| text.parse::<Digest>().map_err(|_| NoRoute::Digest);
        if let Some(repository) = rest.strip_suffix("/blobs/uploads").or_else(|| rest.strip_suffix("/blobs/uploads/")) {
            return Ok(Self::Uploads(name(repository)?));
        }
        if let Some(repository) = rest.strip_suffix("/tags/list") {
            return Ok(Self::Tags(name(repository)?));
        }
        let (before, last) = rest.rsplit_once('/').ok_or(NoRoute::Unknown)?;
        if let Some(repository) = before.strip_suffix("/blobs/uploads") {
            return Ok(Self::Upload(name(repository)?, last.to_owned()));
        }
        if let Some(repository) = before.strip_suffix("/blobs") {
            return Ok(Self::Blob(name(repository)?, digest(last)?));
        }
        if let Some(repository) = before.strip_suffix("/referrers") {
            return Ok(Self::Referrers(name(repository)?, digest(last)?));
        }
        if let Some(repository) = before.strip_suffix("/manifests") {
            let reference = match last.contains(':') {
                true => Reference::Digest(last.parse().map_err(|_| NoRoute::Reference)?),
                false => Reference::Tag(last.parse().map_err(|_| NoRoute::Reference)?),
            };
            return Ok(Self::Manifest(name(repository)?, reference));
        }
        Err(NoRoute::Unknown)
    }

    /// Its kind, in a word.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Metrics => "metrics",
            Self::Base => "base",
            Self::Catalog => "catalog",
            Self::Tags(_) => "tags",
            Self::Manifest(..) => "manifest",
            Self::Blob(..) => "blob",
            Self::Uploads(_) | Self::Upload(..) => "upload",
            Self::Referrers(..) => "referrers",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_read_from_their_end() {
        let repository = |name: &str| name.parse::<Repository>().unwrap();
        let digest = Digest::of(b"x");
        let cases = [
            ("/v2/".to_owned(), Route::Base),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            ("/v2/a/b/c/tags/list".to_owned(), Route::Tags(repository("a/b/c"))),
            (format!("/v2/a/blobs/{digest}"), Route::Blob(repository("a"), digest.clone())),
            (format!("/v2/a/blobs/{}", digest.to_string().replace(':', "%3A")), Route::Blob(repository("a"), digest)),
            ("/v2/a/blobs/uploads/".to_owned(), Route::Uploads(repository("a"))),
            (
                "/v2/blobs/manifests/blobs/uploads/77".to_owned(),
                Route::Upload(repository("blobs/manifests"), "77".into()),
            ),
            (
                "/v2/tags/list/manifests/v1".to_owned(),
                Route::Manifest(repository("tags/list"), Reference::Tag("v1".parse().unwrap())),
            ),
        ];
        for (path, route) in cases {
            assert_eq!(Route::parse(&path), Ok(route), "{path}");
        }
        let refused = [
            ("/", NoRoute::Unknown),
            ("/v1/x", NoRoute::Unknown),
            ("/v2/a", NoRoute::Unknown),
            ("/v2/../../etc/tags/list", NoRoute::Name),
            ("/v2/%2e%2e/tags/list", NoRoute::Name),
            ("/v2/a/blobs/sha256:zz", NoRoute::Digest),
            ("/v2/a/manifests/sha256:zz", NoRoute::Reference),
            ("/v2/a/manifests/.x", NoRoute::Reference),
        ];
        for (path, why) in refused {
            assert_eq!(Route::parse(path), Err(why), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_escapes(path in "(/|v2|blobs|uploads|manifests|tags|list|\\.\\.|%2[eEfF]|[a-z:]){0,12}") {
            let safe = |r: &Repository| r.as_str().split('/').all(|c| !c.is_empty() && !c.starts_with('.'));
            let parsed = Route::parse(&path);
            if let Ok(Route::Tags(r) | Route::Uploads(r) | Route::Upload(r, _) | Route::Manifest(r, _)) = parsed {
                prop_assert!(safe(&r));
            }
        }
    }
}
