//! Kernel features, control groups and hardware virtualisation.

use crate::finding::{Check, Finding, Level};

/// What was read to judge kernel features by.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    /// /proc/filesystems.
    pub(crate) filesystems: Option<String>,
    /// The names in /sys/module.
    pub(crate) loaded: Vec<String>,
    /// `modules.builtin` and `modules.dep` of the running kernel, one after the other.
    pub(crate) known: Option<String>,
    /// Names of /dev that exist: `fuse`, `loop-control`.
    pub(crate) devices: Vec<String>,
}

/// Judges one feature: there, or loadable, or absent.
pub(crate) fn judge_feature(feature: &str, kernel: &Kernel) -> Finding {
    let Some(filesystems) = &kernel.filesystems else { return Finding::not_checked(Check::Kernel, feature) };
    let filesystem = filesystems.lines().any(|l| l.split_whitespace().next_back() == Some(feature));
    let device = match feature {
        "loop" => "loop-control",
        other => other,
    };
    let there = filesystem || kernel.loaded.iter().any(|m| m == feature) || kernel.devices.iter().any(|d| d == device);
    let file = format!("/{feature}.ko");
    let loadable = kernel.known.as_ref().is_some_and(|known| known.contains(&file));
    let finding = |level| Finding::new(Check::Kernel, level, feature).wanted("there or loadable").remedy(feature);
    match (there, loadable) {
        (true, _) => finding(Level::Good).found("there"),
        (false, true) => finding(Level::Good).found("loadable"),
        // A kernel with everything built in, and no list of it: only the attempt will tell.
        (false, false) if kernel.known.is_none() => finding(Level::Warning).found("not seen; this kernel has no list"),
        (false, false) => finding(Level::Error).found("absent"),
    }
}

/// Judges the kind of control groups by /proc/self/mountinfo; both kinds work.
pub(crate) fn judge_cgroup(mountinfo: Option<&str>) -> Finding {
    let Some(text) = mountinfo else { return Finding::not_checked(Check::Cgroup, "control groups") };
    let kind =
        |name: &str| text.lines().any(|l| l.split(" - ").nth(1).is_some_and(|t| t.split(' ').next() == Some(name)));
    let (found, level) = match (kind("cgroup"), kind("cgroup2")) {
        (true, _) => ("version 1", Level::Good),
        (false, true) => ("version 2", Level::Good),
        (false, false) => ("none mounted", Level::Error),
    };
    Finding::new(Check::Cgroup, level, "control groups").found(found).wanted("version 1 or 2")
}

/// Judges hardware virtualisation by the CPU flags and the device: the device alone proves nothing.
pub(crate) fn judge_virtualisation(cpuinfo: Option<&str>, device: bool) -> Finding {
    let Some(text) = cpuinfo else { return Finding::not_checked(Check::Virtualisation, "hardware virtualisation") };
    let flags = text.lines().filter(|l| l.starts_with("flags")).flat_map(str::split_whitespace);
    let flag = flags.into_iter().find(|f| *f == "vmx" || *f == "svm");
    let (level, found) = match (flag, device) {
        (Some(flag), true) => (Level::Good, format!("{flag} and /dev/kvm")),
        (Some(flag), false) => (Level::Warning, format!("{flag}, but no /dev/kvm")),
        (None, true) => (Level::Warning, "/dev/kvm, but neither vmx nor svm among the CPU flags".into()),
        (None, false) => (Level::Warning, "none".into()),
    };
    Finding::new(Check::Virtualisation, level, "hardware virtualisation")
        .found(found)
        .wanted("vmx or svm, and /dev/kvm")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> Kernel {
        Kernel {
            filesystems: Some("nodev\toverlay\n\text4\n".into()),
            loaded: vec!["bridge".into()],
            known: Some("kernel/drivers/net/veth.ko: \n".into()),
            devices: vec!["loop-control".into()],
        }
    }

    #[test]
    fn a_feature_is_there_loadable_or_absent() {
        let level = |feature| judge_feature(feature, &kernel()).level;
        assert!(["overlay", "bridge", "veth", "loop"].into_iter().all(|f| level(f) == Level::Good));
        assert_eq!(level("fuse"), Level::Error);
        assert_eq!(judge_feature("veth", &kernel()).found, "loadable");
    }

    #[test]
    fn a_kernel_without_a_list_of_modules_is_only_doubted() {
        let bare = Kernel { known: None, ..kernel() };
        assert_eq!(judge_feature("veth", &bare).level, Level::Warning);
        assert_eq!(judge_feature("veth", &Kernel::default()).level, Level::NotChecked);
    }

    #[test]
    fn both_kinds_of_control_groups_are_known() {
        let line = |kind: &str| format!("30 24 0:26 / /sys/fs/cgroup rw shared:9 - {kind} cgroup rw\n");
        assert_eq!(judge_cgroup(Some(&line("cgroup2"))).found, "version 2");
        assert_eq!(judge_cgroup(Some(&format!("{}{}", line("cgroup2"), line("cgroup")))).found, "version 1");
        assert_eq!(judge_cgroup(Some("1 2 0:1 / / rw - ext4 /dev/sda1 rw")).level, Level::Error);
    }

    #[test]
    fn the_device_alone_proves_nothing() {
        assert_eq!(judge_virtualisation(Some("flags\t\t: fpu sse2"), true).level, Level::Warning);
        assert_eq!(judge_virtualisation(Some("flags\t\t: fpu vmx"), true).level, Level::Good);
    }
}
