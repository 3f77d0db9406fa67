//! Pinned files: lock, verified resumable fetch, content store.
