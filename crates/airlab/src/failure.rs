//! How a run fails: which step, which node, and the problem itself.

use std::path::PathBuf;

use steps::Problem;

/// A run stopped. What was done so far stays; running the same command again goes on from there.
#[derive(Debug)]
pub struct Failure {
    /// The step that failed, as in the events.
    pub step: Option<String>,
    problem: Box<dyn Problem>,
}

impl Failure {
    /// What went wrong.
    pub fn problem(&self) -> &dyn Problem {
        self.problem.as_ref()
    }

    /// The same failure, naming the step it happened in unless a narrower one is named already.
    pub(crate) fn in_step(mut self, step: &str) -> Self {
        self.step.get_or_insert_with(|| step.to_owned());
        self
    }
}

impl<P: Problem> From<P> for Failure {
    fn from(problem: P) -> Self {
        Self { step: None, problem: Box::new(problem) }
    }
}

/// What only the composition can find wrong.
#[derive(Debug, thiserror::Error)]
pub enum AirlabError {
    /// Another command is changing this lab.
    #[error("{}: held by {holder}", lock.display())]
    Busy {
        /// The lock file.
        lock: PathBuf,
        /// Process id, command and age of the holder.
        holder: String,
    },
    /// A file or folder of the lab could not be read or written.
    #[error("{}: {action}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `not read`, `not written`, ...
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No node of this name.
    #[error("no node {node}")]
    NoSuchNode {
        /// What was asked for.
        node: String,
        /// The nodes there are.
        known: String,
    },
    /// The program that answers to vmrun's language said something airlab does not understand.
    #[error("{program}: facts not understood: {detail}")]
    Facts {
        /// The program.
        program: String,
        /// What is wrong with its answer.
        detail: String,
    },
    /// The registry's process ended instead of serving.
    #[error("the registry ended with code {code}; log: {}", log.display())]
    RegistryEnded {
        /// Its exit code.
        code: i32,
        /// Its log file.
        log: PathBuf,
    },
    /// The registry's port belongs to somebody else.
    #[error("port {port} of {address} is taken")]
    PortTaken {
        /// The host's address in the lab's network.
        address: String,
        /// The port.
        port: u16,
    },
    /// A container has the name of the lab's registry and is not this lab's.
    #[error("{name} is not this lab's")]
    ForeignContainer {
        /// Its name.
        name: String,
    },
    /// Docker has no registry to run.
    #[error("docker has no image {image}")]
    NoRegistryImage {
        /// The image.
        image: &'static str,
    },
    /// A node's clock is too far off to start k3s.
    #[error("clock of {node} is off by {offset}")]
    ClockOff {
        /// The node.
        node: String,
        /// How far, ahead of the registry or behind it.
        offset: String,
        /// Why it stayed so.
        last: String,
    },
    /// A node has a clock of its own, and nothing to compare it with.
    #[error("{node}: {registry} tells no time: {last}")]
    NoTime {
        /// The node.
        node: String,
        /// The registry's address.
        registry: String,
        /// What the node said.
        last: String,
    },
    /// A node's packages could not be installed.
    #[error("{node}: packages: {last}")]
    Packages {
        /// The node.
        node: String,
        /// What dpkg said.
        last: String,
    },
    /// An existing host cannot be a node.
    #[error("{node} at {target} cannot be a node: {why}")]
    HostUnfit {
        /// The node.
        node: String,
        /// `user@address:port`.
        target: String,
        /// All that speaks against it.
        why: String,
    },
    /// This host's own clock is wrong; nobody follows it.
    #[error("this host's clock is wrong: {why}")]
    HostClock {
        /// What speaks against it.
        why: String,
    },
    /// The lab has not been provisioned.
    #[error("{}: no such lab", root.display())]
    NoLab {
        /// The lab's folder.
        root: PathBuf,
    },
    /// The machine went off during the installation.
    #[error("{node} went off before it was ready: {last}")]
    NodeOff {
        /// The node.
        node: String,
        /// The last line of its console.
        last: String,
        /// Its console log.
        log: PathBuf,
    },
    /// A node of the lab file has no machine yet.
    #[error("{node} has no machine")]
    NoMachine {
        /// The node.
        node: String,
        /// Where its machine would be.
        vmx: PathBuf,
    },
}

/// The ids of all problems of this crate.
pub const PROBLEMS: &[&str] = &[
    "AL-RUN-002",
    "AL-RUN-003",
    "AL-RUN-004",
    "AL-RUN-005",
    "AL-RUN-006",
    "AL-RUN-007",
    "AL-RUN-008",
    "AL-RUN-009",
    "AL-RUN-010",
    "AL-RUN-011",
    "AL-RUN-012",
    "AL-RUN-013",
    "AL-RUN-020",
    "AL-RUN-021",
    "AL-RUN-022",
    "AL-RUN-030",
];

impl Problem for AirlabError {
    fn id(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "AL-RUN-002",
            Self::File { .. } => "AL-RUN-003",
            Self::NoSuchNode { .. } => "AL-RUN-004",
            Self::Facts { .. } => "AL-RUN-005",
            Self::RegistryEnded { .. } => "AL-RUN-006",
            Self::PortTaken { .. } => "AL-RUN-007",
            Self::ClockOff { .. } => "AL-RUN-008",
            Self::NoLab { .. } => "AL-RUN-009",
            Self::NodeOff { .. } => "AL-RUN-010",
            Self::ForeignContainer { .. } => "AL-RUN-011",
            Self::NoRegistryImage { .. } => "AL-RUN-012",
            Self::NoMachine { .. } => "AL-RUN-013",
            Self::HostClock { .. } => "AL-RUN-020",
            Self::NoTime { .. } => "AL-RUN-021",
            Self::Packages { .. } => "AL-RUN-022",
            Self::HostUnfit { .. } => "AL-RUN-030",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Busy { lock, holder } => {
                vec![("lock", lock.display().to_string()), ("holder", holder.clone())]
            }
            Self::File { path, action, .. } => {
                vec![("path", path.display().to_string()), ("action", (*action).to_owned())]
            }
            Self::NoSuchNode { node, known } => vec![("node", node.clone()), ("known", known.clone())],
            Self::Facts { program, detail } => vec![("program", program.clone()), ("detail", detail.clone())],
            Self::RegistryEnded { code, log } => {
                vec![("code", code.to_string()), ("log", log.display().to_string())]
            }
            Self::PortTaken { address, port } => vec![("address", address.clone()), ("port", port.to_string())],
            Self::ForeignContainer { name } => vec![("name", name.clone())],
            Self::NoRegistryImage { image } => vec![("image", (*image).to_owned())],
            Self::ClockOff { node, offset, last } => {
                vec![("node", node.clone()), ("offset", offset.clone()), ("last", last.clone())]
            }
            Self::NoTime { node, registry, last } => {
                vec![("node", node.clone()), ("registry", registry.clone()), ("last", last.clone())]
            }
            Self::Packages { node, last } => vec![("node", node.clone()), ("last", last.clone())],
            Self::HostClock { why } => vec![("why", why.clone())],
            Self::HostUnfit { node, target, why } => {
                vec![("node", node.clone()), ("target", target.clone()), ("why", why.clone())]
            }
            Self::NoLab { root } => vec![("root", root.display().to_string())],
            Self::NoMachine { node, vmx } => vec![("node", node.clone()), ("vmx", vmx.display().to_string())],
            Self::NodeOff { node, last, log } => {
                vec![("node", node.clone()), ("last", last.clone()), ("log", log.display().to_string())]
            }
        }
    }
}
