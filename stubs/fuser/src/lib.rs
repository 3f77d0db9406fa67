//! Empty on purpose: cdfs names fuser for its FUSE program, which this workspace does not build.
