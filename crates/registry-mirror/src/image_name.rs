//! The full name of an image.
//!
//! Read by hand: the regular expression with which other readers do it takes 20 MiB once compiled, more than all the
//! rest of a mirror run.

use std::str::FromStr;

use crate::{Digest, NotAName, Repository, Tag};

const HUB: &str = "docker.io";

/// `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`; what is missing is what docker takes for granted: Docker Hub, its folder
/// `library`, the tag `latest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageName {
    /// The registry's host and port.
    pub(crate) registry: String,
    pub(crate) repository: Repository,
    /// Not there where only a digest is named.
    pub(crate) tag: Option<Tag>,
    pub(crate) digest: Option<Digest>,
}

impl FromStr for ImageName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse().map_err(|_| NotAName)?)),
            None => (text, None),
        };
        let last = name.rfind('/').map_or(0, |slash| slash + 1);
        let (path, tag) = match name[last..].rfind(':') {
            Some(colon) => (&name[..last + colon], Some(name[last + colon + 1..].parse()?)),
            None => (name, None),
        };
        let is_host = |first: &str| first.contains(['.', ':']) || first == "localhost";
        let (registry, path) = match path.split_once('/') {
            Some((first, rest)) if is_host(first) => (first, rest),
            _ => (HUB, path),
        };
        let in_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
        if !registry.bytes().all(in_host) {
            return Err(NotAName);
        }
        let registry = if registry == "index.docker.io" { HUB } else { registry };
        let repository = match path.contains('/') || registry != HUB {
            true => path.parse()?,
            false => format!("library/{path}").parse()?,
        };
        let tag = match (tag, &digest) {
            (None, None) => Some("latest".parse()?),
            (tag, _) => tag,
        };
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

/// An image's name with all that docker takes for granted; `None` for what is no name.
///
/// ```
/// assert_eq!(registry_mirror::full_name("nginx").as_deref(), Some("docker.io/library/nginx:latest"));
/// assert_eq!(registry_mirror::full_name("no name"), None);
/// ```
pub fn full_name(text: &str) -> Option<String> {
    let name: ImageName = text.parse().ok()?;
    let tag = name.tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = name.digest.map(|digest| format!("@{digest}")).unwrap_or_default();
    Some(format!("{}/{}{tag}{digest}", name.registry, name.repository))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String, Option<String>) {
        let name: ImageName = text.parse().unwrap();
        (name.registry, name.repository.to_string(), name.tag.map(|tag| tag.to_string()))
    }

    #[test]
    fn what_is_missing_is_what_docker_takes_for_granted() {
        let full = |registry: &str, repository: &str, tag: &str| (registry.into(), repository.into(), Some(tag.into()));
        assert_eq!(read("nginx"), full(HUB, "library/nginx", "latest"));
        assert_eq!(read("index.docker.io/nginx:1.27"), full(HUB, "library/nginx", "1.27"));
        assert_eq!(read("kubesphere/kubectl:v1"), full(HUB, "kubesphere/kubectl", "v1"));
        assert_eq!(read("localhost:5000/x/y/z:1"), full("localhost:5000", "x/y/z", "1"));
        assert_eq!(read("192.168.6.1:5000/a"), full("192.168.6.1:5000", "a", "latest"));
        let digest = Digest::of(b"x");
        let pinned: ImageName = format!("quay.io/a/b@{digest}").parse().unwrap();
        assert_eq!((pinned.tag, pinned.digest), (None, Some(digest.clone())));
        let both: ImageName = format!("quay.io/a/b:1@{digest}").parse().unwrap();
        assert_eq!((both.tag.unwrap().as_str(), both.digest), ("1", Some(digest)));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", "UPPER CASE", "a b", "a/b:", "a/b@sha256:1", "qu ay.io/a", "quay.io/", "a//b", "quay.io/A/b"] {
            assert!(bad.parse::<ImageName>().is_err(), "{bad}");
        }
    }
}
