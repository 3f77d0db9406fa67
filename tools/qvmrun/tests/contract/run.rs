//! Runs the cases.

use crate::case::{Case, Exit, Step, agrees};
use crate::cases;
use crate::report::{Call, Outcome, Report, Verdict};
use crate::subject::{Machine, Subject};

/// Every case, each with a machine of its own.
pub fn all(subject: &Subject) -> Report {
    let banner = subject.call(&[], None).stdout;
    let banner = banner.lines().find(|l| l.contains("version")).unwrap_or("no banner").to_owned();
    let outcomes = cases::all().enumerate().map(|(n, case)| one(subject, case, n)).collect();
    Report { subject: subject.name.clone(), banner, outcomes }
}

fn one(subject: &Subject, case: &'static Case, n: usize) -> Outcome {
    let mut calls = Vec::new();
    let verdict = match subject.machine(case.needs, &format!("case{n}")) {
        Err(why) => Verdict::Skipped(why),
        Ok(machine) => {
            let verdict = steps(subject, case, &machine, &mut calls);
            subject.clear(&machine);
            verdict
        }
    };
    Outcome { case, calls, verdict }
}

fn steps(subject: &Subject, case: &Case, machine: &Machine, calls: &mut Vec<Call>) -> Verdict {
    for (n, step) in case.steps.iter().enumerate() {
        let done = match step {
            Step::Write { path, text } => std::fs::write(machine.fill(path), text).map_err(|e| e.to_string()),
            Step::File { path, there } => {
                let path = machine.fill(path);
                let is = std::path::Path::new(&path).exists();
                if is == *there { Ok(()) } else { Err(format!("{path} is {}there", if is { "" } else { "not " })) }
            }
            Step::Holds { path, text } => match std::fs::read_to_string(machine.fill(path)) {
                Ok(held) if held == *text => Ok(()),
                other => Err(format!("{path} holds {other:?}")),
            },
            Step::Run { words, exit, out } => {
                let words: Vec<String> = words.iter().map(|w| machine.fill(w)).collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let call = subject.call(&words, machine.login.as_ref());
                calls.push(call.clone());
                if case.optional && n == 0 && call.stdout.contains("Unrecognized command") {
                    return Verdict::Skipped("this vmrun does not have the command".into());
                }
                ended(&call, *exit).and_then(|()| agrees(*out, &call.stdout, |text| machine.fill(text)))
            }
        };
        if let Err(why) = done {
            return Verdict::Differs(format!("step {}: {why}", n + 1));
        }
    }
    Verdict::AsExpected
}

fn ended(call: &Call, exit: Exit) -> Result<(), String> {
    match (exit, call.code) {
        (_, None) => Err(format!("wanted: an end; {}", call.stderr)),
        (Exit::Ok, Some(code)) if code != 0 => Err("wanted: exit code 0".into()),
        (Exit::Failed, Some(0)) => Err("wanted: another exit code than 0".into()),
        _ => Ok(()),
    }
}
