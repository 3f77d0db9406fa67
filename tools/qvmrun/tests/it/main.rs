//! The qvmrun program from the outside: its words, and the whole life of a machine.
#![cfg(target_os = "linux")]

mod lab;
mod life;
mod tiny;
mod words;
