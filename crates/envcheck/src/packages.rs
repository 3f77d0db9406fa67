//! Debian packages, and the user that may install them.

use crate::finding::{Check, Finding, Level};

/// Judges the effective user id as `id -u` prints it.
pub(crate) fn judge_root(uid: &str) -> Finding {
    let finding = |level| Finding::new(Check::Root, level, "user").found(format!("user id {uid}")).wanted("root (0)");
    if uid.trim() == "0" { finding(Level::Good) } else { finding(Level::Error) }
}

/// Judges lines of `dpkg-query -W -f '${Package} ${db:Status-Status}\n'`. Nothing means that there is no dpkg.
pub(crate) fn judge_packages(wanted: &[String], known: Option<&str>) -> Finding {
    let subject = format!("{} packages", wanted.len());
    let Some(known) = known else { return Finding::not_checked(Check::Packages, subject).wanted(wanted.join(" ")) };
    let installed = |name: &String| known.lines().any(|line| line.trim() == format!("{name} installed"));
    let missing: Vec<&str> = wanted.iter().filter(|name| !installed(name)).map(String::as_str).collect();
    if missing.is_empty() {
        return Finding::new(Check::Packages, Level::Good, subject).found("all installed").wanted("all installed");
    }
    let missing = missing.join(" ");
    Finding::new(Check::Packages, Level::Error, subject)
        .found(format!("missing: {missing}"))
        .wanted("all installed")
        .remedy(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn only_the_missing_packages_are_named() {
        let known = "iproute2 installed\nlxcfs config-files\n";
        let finding = judge_packages(&names(&["iproute2", "lxcfs", "xorriso"]), Some(known));
        assert_eq!((finding.level, finding.remedy.as_str()), (Level::Error, "lxcfs xorriso"));
        assert_eq!(judge_packages(&names(&["iproute2"]), Some(known)).level, Level::Good);
    }

    #[test]
    fn without_dpkg_nothing_is_claimed() {
        assert_eq!(judge_packages(&names(&["iproute2"]), None).level, Level::NotChecked);
    }

    #[test]
    fn only_user_zero_is_root() {
        assert_eq!(judge_root("0\n").level, Level::Good);
        assert_eq!(judge_root("1000").level, Level::Error);
    }
}
