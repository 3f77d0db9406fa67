//! Every path airlab writes, in one place.

use std::path::{Path, PathBuf};

use crate::Lab;

/// The files of one lab, all below one folder (`.airlab/NAME`) but for machine folders the lab file puts elsewhere.
///
/// ```
/// let lab = lab::Lab::parse("demo.toml".as_ref(), lab::DEMO).unwrap();
/// let files = lab::Layout::of(&lab, "/srv/.airlab".as_ref());
/// assert!(files.kubeconfig().ends_with("demo/kubeconfig"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
    machines: Option<String>,
    lab: String,
}

impl Layout {
    /// The layout of a lab below `base`, which is `.airlab` of the working folder as an absolute path.
    pub fn of(lab: &Lab, base: &Path) -> Self {
        Self { root: base.join(&lab.name), machines: lab.vm.folder.clone(), lab: lab.name.clone() }
    }

    /// The lab's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Held while a command changes the lab; names its holder.
    pub fn lock(&self) -> PathBuf {
        self.root.with_extension("lock")
    }

    /// History for people, one JSON object a line. Nothing reads it to decide.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal.jsonl")
    }

    /// Log files.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Private keys and certificates of lab, registry and cluster; 0700.
    pub fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }

    /// SSH keys: the user's, and the host key of every node; 0700.
    pub fn ssh(&self) -> PathBuf {
        self.root.join("ssh")
    }

    /// The registry's store.
    pub fn registry(&self) -> PathBuf {
        self.root.join("registry")
    }

    /// The patched installer all nodes share.
    pub fn installer(&self) -> PathBuf {
        self.root.join("installer.iso")
    }

    /// The lab's own kubeconfig, 0600.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// State of the program that answers to vmrun's language.
    pub fn provider(&self) -> PathBuf {
        self.root.join("provider")
    }

    /// The folder that holds the folders of all machines of the lab.
    pub fn machines(&self) -> PathBuf {
        match &self.machines {
            None => self.root.join("nodes"),
            Some(folder) => join(folder, &[&self.lab]),
        }
    }

    /// The folder of a node's machine. Kept in the style of the lab file: it may be a Windows path on any system.
    pub fn machine(&self, node: &str) -> PathBuf {
        match &self.machines {
            None => self.machines().join(node),
            Some(folder) => join(folder, &[&self.lab, node]),
        }
    }

    /// A file in the folder of a node's machine.
    pub fn machine_file(&self, node: &str, file: &str) -> PathBuf {
        match &self.machines {
            None => self.machine(node).join(file),
            Some(folder) => join(folder, &[&self.lab, node, file]),
        }
    }

    /// The node's .vmx.
    pub fn vmx(&self, node: &str) -> PathBuf {
        self.machine_file(node, &format!("{node}.vmx"))
    }

    /// The node's disk.
    pub fn disk(&self, node: &str) -> PathBuf {
        self.machine_file(node, &format!("{node}.vmdk"))
    }

    /// The node's seed.
    pub fn cidata(&self, node: &str) -> PathBuf {
        self.machine_file(node, "cidata.iso")
    }
}

/// Joins in the style of `folder`: backslashes where it has some.
fn join(folder: &str, parts: &[&str]) -> PathBuf {
    let separator = if folder.contains('\\') { '\\' } else { '/' };
    let mut path = folder.trim_end_matches(['\\', '/']).to_owned();
    for part in parts {
        path.push(separator);
        path.push_str(part);
    }
    PathBuf::from(path)
}
