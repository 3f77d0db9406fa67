//! An installation of VMware Workstation.

use std::path::{Path, PathBuf};

/// A product version, compared number by number: 17.6.4 is older than 25.0.0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub Vec<u32>);

impl Version {
    /// Reads `17.6.4.24832109` or `25H2`; `None` where there is no number in front.
    ///
    /// ```
    /// use vmware::discover::Version;
    /// let read = |text| Version::parse(text).unwrap();
    /// assert!(read("17.6.4.24832109") < read("26.0.0") && read("9.0") < read("17.0"));
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.trim().split('.').map_while(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        let numbers: Vec<u32> = numbers.collect();
        (!numbers.is_empty()).then_some(Self(numbers))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&words.join("."))
    }
}

/// An installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workstation {
    /// Its folder.
    pub folder: PathBuf,
    /// The vmrun program.
    pub vmrun: PathBuf,
    /// The product's version, where it is known. vmrun's own number has not moved for years.
    pub version: Option<Version>,
}

/// Gives the value of `HKEY_LOCAL_MACHINE` with this key and name.
pub type Value<'a> = &'a dyn Fn(&str, &str) -> Option<String>;

const PRODUCT: [&str; 2] =
    [r"SOFTWARE\WOW6432Node\VMware, Inc.\VMware Workstation", r"SOFTWARE\VMware, Inc.\VMware Workstation"];
const APP_PATHS: &str = r"SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths\vmware.exe";

/// The installation a Windows registry tells of: the product's own key in both views, then the path of vmware.exe, which
/// packer asks for.
pub fn in_registry(value: Value<'_>) -> Option<Workstation> {
    let first = |name| PRODUCT.iter().find_map(|key| value(key, name));
    let folder = first("InstallPath").or_else(|| value(APP_PATHS, "Path"))?;
    let folder = folder.trim_end_matches(['\\', '/']).to_owned();
    let version = first("ProductVersion").and_then(|text| Version::parse(&text));
    let vmrun = PathBuf::from(format!(r"{folder}\vmrun.exe"));
    Some(Workstation { folder: folder.into(), vmrun, version })
}

/// The installation a Linux host has: vmrun's place, and what `/etc/vmware/config` says (`product.version = "17.6.4"`).
pub fn on_linux(vmrun: &Path, config: Option<&str>) -> Workstation {
    let value = |key: &str| {
        let line = config?.lines().find_map(|l| l.trim().strip_prefix(key)?.trim().strip_prefix('='))?;
        Some(line.trim().trim_matches('"').to_owned())
    };
    let folder = value("libdir").map_or_else(|| vmrun.parent().unwrap_or(Path::new("/")).to_owned(), PathBuf::from);
    let version = value("product.version").and_then(|text| Version::parse(&text));
    Workstation { folder, vmrun: vmrun.to_owned(), version }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_read_in_both_views_and_by_the_programs_path() {
        let wow = |key: &str, name: &str| match (key, name) {
            (k, "InstallPath") if k.contains("WOW6432Node") => {
                Some(r"C:\Program Files (x86)\VMware\VMware Workstation\".into())
            }
            (k, "ProductVersion") if k.contains("WOW6432Node") => Some("17.6.4.24832109".into()),
            _ => None,
        };
        let found = in_registry(&wow).unwrap();
        assert_eq!(found.vmrun.to_str(), Some(r"C:\Program Files (x86)\VMware\VMware Workstation\vmrun.exe"));
        assert_eq!(found.version.unwrap().to_string(), "17.6.4.24832109");
        let path = |key: &str, name: &str| (key == APP_PATHS && name == "Path").then(|| r"D:\VMware".to_owned());
        assert_eq!(in_registry(&path).unwrap().vmrun.to_str(), Some(r"D:\VMware\vmrun.exe"));
        assert_eq!(in_registry(&|_, _| None), None);
    }

    #[test]
    fn a_linux_host_says_it_in_its_config() {
        let config = "bindir = \"/usr/bin\"\nlibdir = \"/usr/lib/vmware\"\nproduct.version = \"17.6.4\"\n";
        let found = on_linux(Path::new("/usr/bin/vmrun"), Some(config));
        assert_eq!((found.folder.to_str(), found.version), (Some("/usr/lib/vmware"), Version::parse("17.6.4")));
        assert_eq!(on_linux(Path::new("/opt/vmrun"), None).folder, Path::new("/opt"));
    }
}
