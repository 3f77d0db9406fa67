//! Tests of the vmware crate against other programs and files.

mod disks;
