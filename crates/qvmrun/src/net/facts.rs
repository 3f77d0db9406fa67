//! What the product is told about the place where its nodes run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Mode, Spec, forward};
use crate::engine::Kind;
use crate::home::Home;
use crate::{Failure, limits};

#[derive(Serialize)]
struct Facts {
    version: u32,
    /// `host`: nodes share this host's clock; `own`: they have one each.
    clock: &'static str,
    evidence: &'static str,
    warnings: Vec<String>,
    /// Put before a command, this runs it inside the lab's network.
    enter: Vec<String>,
    /// Address inside -> loopback address outside.
    reach: BTreeMap<String, String>,
    log: String,
}

pub(super) fn render(home: &Home, spec: &Spec, engine: Kind) -> Result<String, Failure> {
    let mut warnings: Vec<String> = limits::warning(engine).into_iter().map(str::to_owned).collect();
    let (mut enter, mut reach) = (Vec::new(), BTreeMap::new());
    if spec.mode == Mode::Namespace {
        let exe = std::env::current_exe().map_err(Failure::host("finding this program"))?;
        let home_is = format!("QVMRUN_HOME={}", home.dir().display());
        enter =
            vec!["/usr/bin/env".into(), home_is, exe.display().to_string(), "net".into(), "exec".into(), "--".into()];
        if !spec.forwards.is_empty() && !forward::is_alive(home) {
            warnings.push("the loopback forwards are down: run net up again".into());
        }
    }
    if spec.mode != Mode::Bridge {
        reach =
            forward::reach(home).into_iter().map(|(to, port)| (to.to_string(), format!("127.0.0.1:{port}"))).collect();
    }
    if spec.mode == Mode::User {
        warnings.push(limits::USER_NETWORK.to_owned());
    }
    let log = home.calls_log().display().to_string();
    let clock = if engine == Kind::Container { "host" } else { "own" };
    let facts = Facts { version: 1, clock, evidence: limits::evidence(engine), warnings, enter, reach, log };
    serde_json::to_string_pretty(&facts).map(|text| text + "\n").map_err(Failure::host("rendering the facts"))
}
