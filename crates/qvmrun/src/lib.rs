//! A vmrun-compatible front end for nodes without VMware.
