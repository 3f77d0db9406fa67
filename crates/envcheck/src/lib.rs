//! Read-only checks of the host before anything is changed, each with a remedy.
