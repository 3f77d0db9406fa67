//! Every chore, as `cargo xtask`. One file per verb.

mod api;
mod bench;
mod built;
mod ci;
mod docs;
mod e2e;
mod full_machines;
mod fuzz;
mod helm;
mod lab;
mod packages;
mod parts;
mod provision;
mod say;
mod sbom;
mod score;
mod test;
mod tidy;
mod windows;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask provision [--lab FILE] [--engine NAME] [--until STEP] [--yes] [--plan] [--output json]
                         from nothing to a Ready lab: packages, parts, programs, then `airlab provision`
cargo xtask parts        the node image, the installer ISO and Kubernetes, into the cache
cargo xtask status | destroy | ssh | run | vmrun ...
                         build the programs, then the same verb of `airlab`
cargo xtask test [--yes] [PART ...]
                         everything that is checked before a change lands; with --yes, missing packages are installed
cargo xtask ci [--all]   test, the Windows check and the longer proofs, each with a time-out; without --all some
                         suites take turns
cargo xtask tidy         layers, dependency budgets, words, scripts
cargo xtask docs         write the generated pages of docs/
cargo xtask windows setup | check
                         compile the whole workspace for Windows on this machine
cargo xtask e2e boot [--full]
                         one emulated machine from the installer ISO to a booted disk, with clocks that start wrong
cargo xtask e2e kill [--full] [--seed N] [--step NAME]
                         a run killed inside every step, machines without power, and a plain run to Ready after each
cargo xtask e2e smoke | lab | host | second | bad-input | bridge | bundle | registry | clone | desktop | existing |
                external | faults | cluster | kubesphere | clocks | api | all
                         a lab up and down; the end-to-end proof, looked at from outside the product
cargo xtask bench start | boot | vmrun | registry | mirror | ssh
                         time to Ready, and to a booted emulated machine, against bare scripts; thirty machines with a
                         vmrun that takes a second; the registry beside docker-registry; a hundred agents joined over
                         SSH beside OpenSSH
cargo xtask sbom [--release]
                         build the programs and write what each is made of beside it, as SPDX
cargo xtask fuzz [TARGET] [SECONDS]
                         random bytes against what reads foreign ones, ten minutes each
";

/// How a verb ends: an exit code, or a reason to stop in words.
type Ended = Result<u8, String>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (verb, rest) = words.split_first().map_or(("help", &words[..0]), |(verb, rest)| (verb.as_str(), rest));
    let ended = match verb {
        "provision" => provision::provision(rest),
        "status" | "destroy" | "ssh" | "run" | "vmrun" | "config" | "bundle" => provision::pass(&words),
        "parts" => provision::offline_parts(),
        "test" => test::run(rest),
        "ci" => ci::run(rest),
        "tidy" => tidy::run(),
        "docs" => docs::run(),
        "windows" => windows::run(rest),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(rest),
        "sbom" => sbom::run(rest),
        "e2e" if rest == ["smoke"] => lab::smoke(),
        "e2e" if rest.first().is_some_and(|suite| suite == "api") => api::run(&rest[1..]),
        "e2e" => e2e::run(rest),
        "help" | "--help" | "-h" => say::result(HELP),
        other => say::not_yet(other),
    };
    ended.map_or_else(
        |why| {
            say::line(&format!("error: {why}"));
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}
