//! A package's integration tests as the program that the whole workspace's build makes of them: built alone, the package
//! and all it needs would have other features, and everything would be compiled a second time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local};
use steps::chain;

use crate::provision::cargo;

/// The built tests, as cargo's messages tell of them.
pub(crate) struct Tests(String);

impl Tests {
    /// Builds them, those of all packages.
    pub(crate) fn build() -> Result<Self, String> {
        let words =
            ["test", "--workspace", "--locked", "--test", "it", "--no-run", "--quiet", "--message-format", "json"];
        let build = cargo().args(words).timeout(Duration::from_secs(3600));
        Ok(Self(Local.run_ok(&build).map_err(|e| chain(&e))?.text()))
    }

    /// The program of this package's, ready to be run in the package's folder.
    pub(crate) fn of(&self, package: &str) -> Result<Cmd, String> {
        let (folder, program) = program(&self.0, package).ok_or_else(|| format!("{package} has no tests named it"))?;
        Ok(Cmd::new(program).dir(folder))
    }
}

/// Where the package is and where its tests are, by cargo's messages.
fn program(messages: &str, package: &str) -> Option<(PathBuf, PathBuf)> {
    messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).find_map(|message| {
        let id = message["package_id"].as_str()?;
        let manifest = Path::new(message["manifest_path"].as_str()?);
        // PATH/FOLDER#VERSION where the folder has the package's name, PATH/FOLDER#NAME@VERSION where not
        let (path, named) = id.rsplit_once('#')?;
        let name = named.split_once('@').map_or_else(|| path.rsplit('/').next().unwrap_or(path), |(name, _)| name);
        let fits = name == package && message["target"]["name"] == "it";
        Some((manifest.parent()?.to_owned(), message["executable"].as_str()?.into())).filter(|_| fits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packages_tests_are_found_among_cargos_messages() {
        let message = |id: &str, target: &str| {
            let target = serde_json::json!({ "name": target });
            serde_json::json!({ "package_id": id, "manifest_path": "/w/a/Cargo.toml", "target": target, "executable": "/t/it-1" })
                .to_string()
        };
        let of = |id, target, package| program(&format!("text\n{}\n", message(id, target)), package);
        let found = Some(("/w/a".into(), "/t/it-1".into()));
        assert_eq!(of("path+file:///w/a#0.1.0", "it", "a"), found);
        assert_eq!(of("path+file:///w/a#a-cli@0.1.0", "it", "a-cli"), found);
        assert_eq!(of("path+file:///w/a#a-cli@0.1.0", "it", "a"), None);
        assert_eq!(of("path+file:///w/a#0.1.0", "a", "a"), None);
    }
}
