//! Mirror engine and embedded OCI registry for an air-gapped lab.
