//! All checks, one after the other.

use std::path::Path;
use std::time::SystemTime;

use crate::clock::judge_clock;
use crate::finding::{Check, Finding, Report};
use crate::host::{existing, prints, read};
use crate::kernel::{Kernel, judge_cgroup, judge_feature, judge_virtualisation};
use crate::packages::{judge_packages, judge_root};
use crate::ports::{judge_port, probe};
use crate::resources::{judge_disk, judge_memory, parse_df};
use crate::spec::{DiskNeed, Spec};

/// Looks at this host. Reads files and runs programs that only print; changes nothing and never fails: what cannot
/// be looked at is a finding of its own.
pub fn check(spec: &Spec) -> Report {
    let mut findings = Vec::new();
    if spec.root {
        let uid = prints("id", &["-u"]).filter(|_| cfg!(unix));
        findings.push(uid.map_or_else(|| Finding::not_checked(Check::Root, "user"), |uid| judge_root(&uid)));
    }
    if !spec.packages.is_empty() {
        findings.push(judge_packages(&spec.packages, known_packages(&spec.packages).as_deref()));
    }
    if spec.memory > 0 {
        findings.push(judge_memory(spec.memory, read("/proc/meminfo").as_deref()));
    }
    findings.extend(judge_disk(&spec.disk.iter().map(free_at).collect::<Vec<_>>()));
    if !spec.kernel.is_empty() {
        let kernel = kernel();
        findings.extend(spec.kernel.iter().map(|feature| judge_feature(feature, &kernel)));
        findings.push(judge_cgroup(read("/proc/self/mountinfo").as_deref()));
    }
    findings.extend(spec.ports.iter().map(|address| judge_port(*address, probe(*address).as_ref().copied())));
    findings.push(judge_clock(SystemTime::now(), spec.not_before));
    if spec.virtualisation {
        findings.push(judge_virtualisation(read("/proc/cpuinfo").as_deref(), Path::new("/dev/kvm").exists()));
    }
    Report { findings }
}

fn known_packages(wanted: &[String]) -> Option<String> {
    let mut args = vec!["-W", "-f", "${Package} ${db:Status-Status}\n"];
    args.extend(wanted.iter().map(String::as_str));
    prints("dpkg-query", &args)
}

fn free_at(need: &DiskNeed) -> (DiskNeed, Option<(String, u64)>) {
    let place = existing(&need.path).display().to_string();
    let df = prints("df", &["--output=source,avail", "--block-size=1", &place]);
    (need.clone(), df.as_deref().and_then(parse_df))
}

fn kernel() -> Kernel {
    let names = |dir: &str| -> Vec<String> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|e| e.file_name().into_string().ok()).collect()
    };
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = |file: &str| read(&format!("/lib/modules/{}/{file}", release.trim()));
    let known = match (modules("modules.builtin"), modules("modules.dep")) {
        (None, None) => None,
        (builtin, loadable) => Some(builtin.unwrap_or_default() + &loadable.unwrap_or_default()),
    };
    let devices = ["fuse", "loop-control"].into_iter().filter(|d| Path::new("/dev").join(d).exists());
    Kernel {
        filesystems: read("/proc/filesystems"),
        loaded: names("/sys/module"),
        known,
        devices: devices.map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn one_bad_finding_does_not_stop_the_others() {
        let spec = Spec {
            packages: vec!["no-such-package-at-all".into()],
            memory: u64::MAX,
            disk: vec![DiskNeed { path: "/no/such/folder".into(), bytes: 1 }],
            ports: vec!["127.0.0.1:0".parse().unwrap()],
            ..Spec::default()
        };
        let report = check(&spec);
        let checks: Vec<Check> = report.findings.iter().map(|f| f.check).collect();
        assert_eq!(checks, [Check::Packages, Check::Memory, Check::Disk, Check::Port, Check::Clock]);
        assert_eq!(report.findings[4].level, Level::Good, "{:?}", report.findings[4]);
    }
}
