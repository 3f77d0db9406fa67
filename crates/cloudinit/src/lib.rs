//! Typed autoinstall, user-data, meta-data and network-config documents.
