//! The two tests: the suite against a vmrun, and against a program that does nothing.

use std::path::Path;

#[cfg(target_os = "linux")]
use crate::installed;
use crate::report::{self, Report};
use crate::run;
use crate::subject::{Guest, Subject};

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn finish(reports: &[Report]) {
    for report in reports {
        println!("{}", report.text());
    }
    if let Some(file) = set("AIRLAB_CONTRACT_REPORT") {
        report::write(Path::new(&file), reports).unwrap();
        println!("written: {file} and {file}.json");
    }
    let differing: Vec<&str> = reports.iter().flat_map(Report::differing).collect();
    assert!(differing.is_empty(), "these cases differ: {differing:?}");
}

fn real(program: &str) {
    let login = set("AIRLAB_CONTRACT_LOGIN").unwrap_or_default();
    let (user, password) = login.split_once(':').unwrap_or((&login, ""));
    let guest = set("AIRLAB_CONTRACT_GUEST");
    let guest = guest.map(|vmx| Guest { vmx, user: user.to_owned(), password: password.to_owned() });
    let subject = Subject::new(program, Path::new(program), vec![]).with_guest(guest).probed();
    finish(&[run::all(&subject)]);
}

#[cfg(not(target_os = "linux"))]
#[test]
fn vmrun_keeps_the_contract() {
    match set("AIRLAB_CONTRACT_VMRUN") {
        Some(program) => real(&program),
        None => println!("skipped: set AIRLAB_CONTRACT_VMRUN to the path of vmrun"),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn vmrun_keeps_the_contract() {
    if let Some(program) = set("AIRLAB_CONTRACT_VMRUN") {
        return real(&program);
    }
    let blank = run::all(&installed::machines().probed());
    let lab = installed::Lab::up();
    let installed = lab.as_ref().map(|lab| run::all(lab.subject()));
    assert!(blank.count("as expected") >= 25, "{}", blank.text());
    drop(lab);
    let reports: Vec<Report> = [Some(blank), installed].into_iter().flatten().collect();
    finish(&reports);
}

/// A case that cannot fail proves nothing: with a program that does nothing and says nothing, each of them does.
#[cfg(target_os = "linux")]
#[test]
fn a_vmrun_that_does_nothing_is_found_out() {
    let report = run::all(&Subject::new("true", Path::new("true"), vec![]).probed());
    let right: Vec<&str> =
        report.outcomes.iter().filter(|o| o.verdict == report::Verdict::AsExpected).map(|o| o.case.name).collect();
    assert_eq!(right, Vec::<&str>::new());
    assert!(report.count("DIFFERS") >= 35, "{}", report.text());
}
