//! `cargo xtask e2e api`: the API client against a real API server and etcd on loopback, and against a cluster from
//! outside when one is named.

use std::time::Duration;

use machine::Local;
use steps::{Timeline, chain};

use crate::built::Tests;
use crate::say::Talk;
use crate::{Ended, packages};

/// What runs there, and the Debian package of each.
const TOOLS: &[(&str, &str)] = &[("etcd", "etcd-server"), ("etcdctl", "etcd-client"), ("setpriv", "util-linux")];

/// `e2e api [--outside]`: with `--outside` the cluster of `KUBECONFIG` is asked too, in a namespace of its own.
pub(crate) fn run(words: &[String]) -> Ended {
    let missing = packages::of_absent(TOOLS.iter());
    if !missing.is_empty() {
        return Err(format!("programs are missing\nwhat to do:\n  {}", packages::command(&missing)));
    }
    let talk = Talk::start("e2e-api", Timeline::default());
    let k3s = demolab::kubernetes(&demolab::default_cache(), talk.as_ref()).map_err(|e| chain(&e))?;
    let tests = Tests::build()?.of("kubeapi")?.arg("--nocapture");
    let mut tests = tests.env("AIRLAB_API_K3S", k3s).env("AIRLAB_API_REQUIRED", "1");
    if words.iter().any(|word| word == "--outside") {
        let config = std::env::var_os("KUBECONFIG").ok_or("--outside needs KUBECONFIG")?;
        tests = tests.env("AIRLAB_API_KUBECONFIG", config);
    }
    let code = Local.take_over(&tests.timeout(Duration::from_secs(1200))).map_err(|e| chain(&e))?;
    talk.finished();
    Ok(u8::try_from(code).unwrap_or(1))
}
