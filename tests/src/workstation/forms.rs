//! What real vmruns print, each with where it was seen.

/// Standard error on Linux hosts, beside successes too: packer-plugin-vmware#229.
pub(crate) const LIBXML: &str = "Warning: program compiled against libxml 210 using older 209\n";

/// A line before the answer: seen before `list` with VMware Fusion, in an issue of vagrant.
const OPENER: &str = "2015-08-31T17:57:29.547| ServiceImpl_Opener: PID 5033\n";

/// A bare `vmrun`: an empty line, the version that has stood still since Workstation 14.1 (hashicorp/packer#5797) with
/// the build of Workstation 17.6.4, the usage text; exit code 255.
pub(crate) fn banner() -> String {
    "\nvmrun version 1.17.0 build-24832109\n\nUsage: vmrun [AUTHENTICATION-FLAGS] COMMAND [PARAMETERS]\n".into()
}

/// `list`: paths in the case in which the file system has them, which need not be the caller's (vagrant compares them
/// without case); here the first letter is turned, as `C:` and `c:` are.
pub(crate) fn list(text: &str) -> String {
    let one = |line: &str| match line.strip_prefix('/') {
        Some(path) => format!("/{}{}", path.chars().take(1).collect::<String>().to_uppercase(), &path[1..]),
        None => line.to_owned(),
    };
    let lines: String = text.lines().map(|l| one(l) + "\n").collect();
    format!("{OPENER}{lines}")
}
