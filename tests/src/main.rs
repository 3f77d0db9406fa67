//! The end-to-end proof. It runs the built product in fresh folders and looks at the result from outside: with the
//! host's own kubectl, ssh and curl, in other programs' logs, and from inside the nodes.
//!
//! `e2e lab|host|second|bad-input|bridge|bundle|registry|clone|desktop|existing|external|cluster|kill|faults|kubesphere|all`; it needs root, like the lab itself.

mod bad_input;
mod boot;
mod bridge;
mod bundle;
mod clocks;
mod clone;
mod cluster;
mod desktop;
mod existing;
mod external;
mod faults;
mod foreign;
mod host;
mod identity;
mod inside;
mod installer;
mod island;
mod kill;
mod kube;
mod kubesphere;
mod life;
mod objects;
mod product;
mod proof;
mod registry;
mod report;
mod second;
mod tree;
mod trouble;
mod twice;
mod world;

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Instant;

use proof::Fail;
use report::{Report, say};

const SUITES: &[&str] = &[
    "bad-input",
    "lab",
    "second",
    "bridge",
    "registry",
    "bundle",
    "clone",
    "desktop",
    "existing",
    "external",
    "cluster",
    "faults",
    "kill",
    "kubesphere",
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let start = Instant::now();
    match words.as_slice() {
        ["listen", address] => listen(address),
        ["all"] => end(SUITES, &kill::Asked::default(), start),
        ["kill", rest @ ..] => match kill::Asked::parse(rest) {
            Some(asked) => end(&["kill"], &asked, start),
            None => usage(),
        },
        ["boot", rest @ ..] => match rest {
            [] => boot_suite(&boot::Extent::Ci, start),
            ["--full"] => boot_suite(&boot::Extent::Full, start),
            ["--efi"] => boot_suite(&boot::Extent::Efi, start),
            ["--installed", parts @ ..] => {
                let parts = parts.iter().map(|p| (*p).to_owned()).collect();
                boot_suite(&boot::Extent::Installed(parts), start)
            }
            _ => usage(),
        },
        ["clocks"] => machines("clocks", clocks::suite, start),
        ["cluster", rest @ ..] => match cluster::Asked::parse(rest) {
            Ok(asked) => machines("cluster", |report| cluster::suite(report, &asked), start),
            Err(why) => {
                say(&format!("e2e cluster: {why}"));
                usage()
            }
        },
        ["clone", "--machines"] => machines("clone", clone::machines, start),
        [suite] if SUITES.contains(suite) || *suite == "host" => end(&[suite], &kill::Asked::default(), start),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    say(
        "usage: e2e lab|host|second|bad-input|bridge|bundle|registry|clone|desktop|existing|external|cluster|faults|kubesphere|all, \
         or e2e boot [--full | --efi | --installed PART...], \
         or e2e clone --machines, or e2e cluster [--k3s FILE --airgap FILE [--next-k3s FILE --next-airgap FILE]], or e2e clocks, or e2e kill [--full] [--seed N] [--step NAME]",
    );
    ExitCode::from(2)
}

fn end(suites: &[&str], asked: &kill::Asked, start: Instant) -> ExitCode {
    stop_on_signals();
    let mut report = Report::default();
    let mut broken = false;
    for suite in suites {
        say(&format!("---- {suite}"));
        if let Err(why) = run(suite, asked, &mut report) {
            say(&format!("FAIL {suite}  could not go on: {why}"));
            broken = true;
        }
        if world::STOP.load(Ordering::SeqCst) {
            break;
        }
    }
    if report.end(start.elapsed()) && !broken { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(suite: &str, asked: &kill::Asked, report: &mut Report) -> Result<(), Fail> {
    report.gained_by("");
    match suite {
        "lab" => life::suite(report, true),
        "host" => life::suite(report, false),
        "second" => second::suite(report),
        "bridge" => bridge::suite(report),
        "bundle" => bundle::suite(report),
        "clone" => clone::suite(report),
        "cluster" => cluster::suite(report, &cluster::Asked::default()),
        "desktop" => desktop::suite(report),
        "existing" => existing::suite(report),
        "external" => external::suite(report),
        "kill" => kill::suite(report, asked),
        "faults" => faults::suite(report),
        "kubesphere" => kubesphere::suite(report),
        "registry" => registry::suite(report),
        _ => bad_input::suite(report),
    }
}

/// Not among the others: it needs programs that they do not need.
fn boot_suite(extent: &boot::Extent, start: Instant) -> ExitCode {
    machines("boot", |report| boot::suite(report, extent), start)
}

fn machines(name: &str, suite: impl FnOnce(&mut Report) -> Result<(), Fail>, start: Instant) -> ExitCode {
    stop_on_signals();
    let mut report = Report::default();
    say(&format!("---- {name}"));
    let broken = suite(&mut report).inspect_err(|why| say(&format!("FAIL {name}  could not go on: {why}")));
    if report.end(start.elapsed()) && broken.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ctrl-C and SIGTERM let the running check fail; what was started is then ended as after any failure.
fn stop_on_signals() {
    std::thread::spawn(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
                return;
            };
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
            world::STOP.store(true, Ordering::SeqCst);
            say("     stopping: what was started is taken down first");
        });
    });
}

/// Takes a port and keeps it, for the check of a taken port.
fn listen(address: &str) -> ExitCode {
    match TcpListener::bind(address) {
        Ok(listener) => {
            while listener.accept().is_ok() {}
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("{address}: {error}"));
            ExitCode::FAILURE
        }
    }
}
