//! Memory and disk.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::finding::{Check, Finding, Level};
use crate::spec::DiskNeed;

/// `MemAvailable` of /proc/meminfo, in bytes.
pub(crate) fn parse_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

pub(crate) fn judge_memory(wanted: u64, meminfo: Option<&str>) -> Finding {
    let Some(available) = meminfo.and_then(parse_available) else {
        return Finding::not_checked(Check::Memory, "memory").wanted(size(wanted));
    };
    let level = if available >= wanted { Level::Good } else { Level::Error };
    Finding::new(Check::Memory, level, "memory").found(size(available)).wanted(size(wanted))
}

/// Device and free bytes from `df --output=source,avail --block-size=1 PATH`.
pub(crate) fn parse_df(text: &str) -> Option<(String, u64)> {
    let line = text.lines().nth(1)?;
    let (device, free) = line.trim().rsplit_once(char::is_whitespace)?;
    Some((device.trim().to_owned(), free.parse().ok()?))
}

/// Judges needs together where they fall on one file system. Each comes with what `df` said about it.
pub(crate) fn judge_disk(needs: &[(DiskNeed, Option<(String, u64)>)]) -> Vec<Finding> {
    let mut disks: BTreeMap<&str, (u64, u64, Vec<&PathBuf>)> = BTreeMap::new();
    let mut findings = Vec::new();
    for (need, seen) in needs {
        match seen {
            None => findings
                .push(Finding::not_checked(Check::Disk, need.path.display().to_string()).wanted(size(need.bytes))),
            Some((device, free)) => {
                let disk = disks.entry(device).or_insert((*free, 0, Vec::new()));
                disk.1 += need.bytes;
                disk.2.push(&need.path);
            }
        }
    }
    for (free, wanted, paths) in disks.into_values() {
        let level = if free >= wanted { Level::Good } else { Level::Error };
        let paths: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        let finding = Finding::new(Check::Disk, level, paths.join(", "));
        findings.push(finding.found(size(free)).wanted(size(wanted)).remedy(paths[0].clone()));
    }
    findings
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib >= 1024.0 { format!("{:.1} GiB", mib / 1024.0) } else { format!("{mib:.0} MiB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       24600000 kB\nMemFree: 1 kB\nMemAvailable:    2097152 kB\n";

    #[test]
    fn available_memory_is_what_counts() {
        assert_eq!(judge_memory(2 << 30, Some(MEMINFO)).level, Level::Good);
        let short = judge_memory((2 << 30) + 1, Some(MEMINFO));
        assert_eq!((short.level, short.found.as_str()), (Level::Error, "2.0 GiB"));
        assert_eq!(judge_memory(1, Some("garbage")).level, Level::NotChecked);
    }

    #[test]
    fn needs_on_one_disk_are_added_up() {
        let need = |path: &str, bytes| DiskNeed { path: path.into(), bytes };
        let df = |free| parse_df(&format!("Filesystem       Avail\n/dev/sda1   {free}\n"));
        let both = judge_disk(&[(need("/a", 600), df(1000)), (need("/b", 600), df(1000))]);
        assert_eq!((both.len(), both[0].level, both[0].subject.as_str()), (1, Level::Error, "/a, /b"));
        assert_eq!(judge_disk(&[(need("/a", 600), df(1000))])[0].level, Level::Good);
        assert_eq!(judge_disk(&[(need("/a", 600), None)])[0].level, Level::NotChecked);
    }

    #[test]
    fn a_device_name_may_hold_spaces() {
        assert_eq!(parse_df("Filesystem Avail\nmy disk 12\n"), Some(("my disk".into(), 12)));
        assert_eq!(parse_df("df: no such file"), None);
    }
}
