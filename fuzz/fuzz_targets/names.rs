//! A path that a stranger asks for leads into the store or nowhere, and its names are kept apart on every file system.

#![no_main]
#![allow(dead_code)]

#[path = "../../crates/registry-mirror/src/digest.rs"]
mod digest;
#[path = "../../crates/registry-mirror/src/name.rs"]
mod name;
#[path = "../../crates/registry-mirror/src/store/portable.rs"]
mod portable;
#[path = "../../crates/registry-mirror/src/server/route.rs"]
mod route;

use digest::Digest;
use libfuzzer_sys::fuzz_target;
use name::{Repository, Tag};
use route::{Reference, Route};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(route) = Route::parse(text) else { return };
    assert!(!route.kind().is_empty());
    let (repository, tag, digest) = match route {
        Route::Tags(r) | Route::Uploads(r) | Route::Upload(r, _) => (Some(r), None, None),
        Route::Manifest(r, Reference::Tag(tag)) => (Some(r), Some(tag), None),
        Route::Manifest(r, Reference::Digest(d)) | Route::Blob(r, d) | Route::Referrers(r, d) => {
            (Some(r), None, Some(d))
        }
        _ => (None, None, None),
    };
    if let Some(repository) = repository {
        assert!(repository.as_str().len() <= 255);
        repository.as_str().split('/').for_each(component);
        assert_eq!(repository.to_string().parse::<Repository>().ok(), Some(repository));
    }
    if let Some(tag) = tag {
        assert!(tag.as_str().len() <= 128);
        component(tag.as_str());
        assert_eq!(tag.to_string().parse::<Tag>().ok(), Some(tag));
    }
    if let Some(digest) = digest {
        assert!(digest.hex().bytes().all(|b| b.is_ascii_hexdigit()));
        assert_eq!(digest.to_string().parse::<Digest>().ok(), Some(digest));
    }
});

/// One folder's name: below its parent, and the same after a way over a file system without capitals.
fn component(name: &str) {
    assert!(!name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0', ':']));
    let kept = portable::encode(name);
    assert!(kept.len() <= 255 && !kept.bytes().any(|b| b.is_ascii_uppercase()) && !kept.ends_with('.'));
    assert_eq!(portable::decode(&kept).as_deref(), Some(name));
}
