//! What a provision would do, in order, without doing any of it.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use lab::{Create, Lab, Layout, Node, Role};
use serde::Serialize;
use vmware::vmrun::{Command, Vmrun};

use crate::registry::{Registry, WslAddress};
use crate::{ExtraKind, Provider, Sources, golden, machines};

/// Stands for the golden machine's name in a plan.
const GOLDEN: &str = "golden-HASH";

/// The steps of a provision in the order in which they run. Steps of single nodes are `STEP/NODE`; `golden` is a step of
/// labs whose nodes are clones, `hosts` of labs with existing hosts, `packages` of labs whose lock or bundle has some,
/// `kubesphere` of labs that have a chart.
pub const STEPS: &[&str] = &[
    "files",
    "network",
    "keys",
    "images",
    "registry",
    "installer",
    "golden",
    "machines",
    "install",
    "hosts",
    "clocks",
    "packages",
    "server",
    "agents",
    "kubeconfig",
    "ready",
    "kubesphere",
];

/// One thing a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Reads or checks a file.
    Check {
        /// What.
        path: PathBuf,
        /// What it is checked against.
        against: String,
    },
    /// Writes a file of the lab.
    Write {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// Runs a program on this host.
    Run {
        /// Program and arguments.
        argv: Vec<String>,
    },
    /// Works on a node over SSH.
    Node {
        /// `user@address`.
        target: String,
        /// What is done there.
        what: String,
    },
    /// Changes something of the host outside the lab's folder; undone by `destroy`.
    Host {
        /// What changes.
        what: String,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Check { path, against } => write!(f, "check  {} ({against})", path.display()),
            Self::Write { path, what } => write!(f, "write  {} ({what})", path.display()),
            Self::Run { argv } => {
                let mut words = argv.iter();
                let cmd = machine::Cmd::new(words.next().map_or("", String::as_str)).args(words.map(String::as_str));
                write!(f, "run    {cmd}")
            }
            Self::Node { target, what } => write!(f, "ssh    {target}: {what}"),
            Self::Host { what } => write!(f, "host   {what}"),
        }
    }
}

/// A step with what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// The step's name, one of [`STEPS`].
    pub step: &'static str,
    /// What it does, in order.
    pub actions: Vec<Action>,
}

/// A whole provision on paper. What exists already is skipped when it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The lab's name.
    pub lab: String,
    /// The stages in order.
    pub stages: Vec<Stage>,
    /// What is a stand-in, and for what; nothing with real artifacts.
    pub stand_ins: Vec<String>,
}

impl Plan {
    /// The plan of a lab. Pure: looks at nothing but its arguments, on any system. `wsl` is what
    /// [`wsl_address`](crate::wsl_address) said, if it was asked.
    pub fn of(
        lab: &Lab,
        files: &Layout,
        sources: &Sources,
        provider: &Provider,
        wsl: Option<Result<Ipv4Addr, String>>,
    ) -> Self {
        let p = Planner { lab, files, sources, provider, wsl };
        let steps = STEPS.iter().filter(|step| match **step {
            "golden" => lab.vm.create == Create::Clone,
            "kubesphere" => lab.kubesphere.is_some(),
            "hosts" => lab.hosts().next().is_some(),
            "packages" => sources.extras.iter().any(|file| file.kind != ExtraKind::Kubectl) || sources.bundle.is_some(),
            _ => true,
        });
        let stages = steps.map(|step| Stage { step, actions: p.actions(step) }).collect();
        Self { lab: lab.name.clone(), stages, stand_ins: sources.stand_ins.clone() }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan for lab {} (what is already as wanted is skipped)", self.lab)?;
        for line in &self.stand_ins {
            writeln!(f, "stand-in: {line}")?;
        }
        for (i, stage) in self.stages.iter().enumerate() {
            writeln!(f, "{:>2}. {}", i + 1, stage.step)?;
            for action in &stage.actions {
                writeln!(f, "      {action}")?;
            }
        }
        Ok(())
    }
}

struct Planner<'a> {
    lab: &'a Lab,
    files: &'a Layout,
    sources: &'a Sources,
    provider: &'a Provider,
    wsl: WslAddress,
}

impl Planner<'_> {
    fn actions(&self, step: &str) -> Vec<Action> {
        let (lab, files) = (self.lab, self.files);
        let write = |path: PathBuf, what: &str| Action::Write { path, what: what.to_owned() };
        match step {
            "files" => self.files(),
            "network" => self.network(),
            "keys" => vec![
                write(files.ssh(), "SSH user key and one host key per node, 0700"),
                write(files.pki(), "lab CA, registry certificate, cluster CAs, join tokens, 0700"),
            ],
            "images" => {
                let images = match &self.sources.bundle {
                    Some(_) => "the bundle's images".to_owned(),
                    None => format!("{} images", self.sources.images.len()),
                };
                let what = format!("registry store with {images}, the k3s program and its air-gap images");
                vec![write(files.registry(), &what)]
            }
            "registry" => Registry::new(lab, files, "", "".as_ref()).told(self.wsl.clone()).plan(),
            "installer" => {
                vec![write(files.installer(), "the installer with `autoinstall` in its boot menu, shared by all nodes")]
            }
            "golden" => self.golden(),
            "machines" => lab.machines().flat_map(|n| self.machine(n)).collect(),
            "install" => std::iter::once(self.vmrun(&Command::List))
                .chain(lab.machines().flat_map(|n| self.install(n)))
                .collect(),
            "hosts" => self.on_nodes(
                |n| n.host.is_some(),
                "an existing host, no machine is made (host key pinned): check systemd, sudo, processor, disk, route, \
                 programs, registry; the lab's authority and the keeping of time",
            ),
            "clocks" => self.on_nodes(|_| true, "measure the clock against the registry's Date header"),
            "packages" => self.packages(),
            "server" => self.on_nodes(
                |n| n.role == Role::Server,
                "cluster CAs, config.yaml, registries.yaml, k3s and air-gap images from the registry, start k3s; one server \
                 after the other; where another k3s runs: snapshot, then node by node",
            ),
            "agents" => self.on_nodes(
                |n| n.role == Role::Agent,
                "config.yaml, registries.yaml, k3s and air-gap images from the registry, start k3s-agent",
            ),
            "kubeconfig" => {
                let merged = lab.kubeconfig.clone().unwrap_or_else(|| PathBuf::from("the user's kubeconfig"));
                let what = format!("cluster, user and context {}; everything else stays byte for byte", lab.name);
                let mut actions =
                    vec![write(files.kubeconfig(), "the lab's own kubeconfig, 0600"), Action::Write { path: merged, what }];
                if self.sources.extras.iter().any(|file| file.kind == ExtraKind::Kubectl) {
                    actions.push(write(files.root().join("bin"), "the lock's kubectl for this system"));
                }
                actions
            }
            "kubesphere" => lab.kubesphere.iter().flat_map(|wanted| self.kubesphere(wanted)).collect(),
            _ => vec![],
        }
    }

    fn packages(&self) -> Vec<Action> {
        let named = |kind| {
            let of_kind = self.sources.extras.iter().filter(move |file| file.kind == kind);
            of_kind.map(|file| format!("{} {}", file.name(), file.version)).collect::<Vec<_>>()
        };
        let (packages, programs) = (named(ExtraKind::Package), named(ExtraKind::Program));
        let mut what = Vec::new();
        if self.sources.bundle.is_some() {
            what.push("the bundle's Debian packages and programs, if it has any".to_owned());
        }
        if !packages.is_empty() {
            what.push(format!("Debian packages, where they are not there: {}", packages.join(", ")));
        }
        if !programs.is_empty() {
            what.push(format!("programs to /usr/local/bin: {}", programs.join(", ")));
        }
        self.on_nodes(|n| n.host.is_none(), &what.join("; "))
    }

    fn kubesphere(&self, wanted: &lab::KubeSphere) -> Vec<Action> {
        let server = self.lab.first_server();
        let api = |what: String| Action::Node { target: format!("https://{}:6443", server.address), what };
        let path = self.files.pki().join(kubesphere::AdminPassword::FILE);
        let profile = kubesphere::Profile::ALL.into_iter().find(|p| p.to_string() == wanted.profile);
        let plans = profile.unwrap_or_default().extensions();
        let mut actions = vec![
            Action::Check { path: wanted.chart.clone(), against: "gzip, Chart.yaml, ks-core".into() },
            Action::Write { path, what: "the administrator's first password, 0600".into() },
            api("HelmChart ks-core: console on port 30880, telemetry off, the password as a hash".into()),
        ];
        actions.extend(plans.iter().map(|e| api(format!("InstallPlan {} {}", e.name, e.version))));
        actions
    }

    fn files(&self) -> Vec<Action> {
        let pinned = |pin: &crate::Source| Action::Check {
            path: pin.path.clone(),
            against: pin.sha256.as_ref().map_or("exists".into(), |s| format!("sha256 {s}")),
        };
        let s = self.sources;
        if let Some(carried) = &s.bundle {
            let against = format!("every byte, and the signature with the key of {}", carried.trust.display());
            return vec![Action::Check { path: carried.path.clone(), against }];
        }
        let mut actions = vec![pinned(&s.iso), pinned(&s.k3s), pinned(&s.airgap)];
        actions.extend(s.extras.iter().map(|file| pinned(&file.source)));
        actions.extend(
            s.images.iter().map(|(reference, path)| Action::Check {
                path: path.clone(),
                against: format!("archive of {reference}"),
            }),
        );
        actions
    }

    fn network(&self) -> Vec<Action> {
        let Some(args) = self.provider.network_up(self.lab) else {
            let cidr = self.lab.network.cidr;
            return vec![Action::Check {
                path: "VMnet1".into(),
                against: format!("host-only {cidr}, host {}", cidr.host()),
            }];
        };
        let argv = self.provider.command(&args).argv();
        let what = format!("bridge vmnet1 with {} and loopback forwards to the nodes", self.lab.network.cidr.host());
        let module = "kernel module br_netfilter, where it is a module and not loaded yet; it stays".to_owned();
        vec![Action::Run { argv }, Action::Host { what }, Action::Host { what: module }]
    }

    /// The golden machine's name is known when its keys and its ISO are: it holds a hash over them.
    fn golden(&self) -> Vec<Action> {
        let (files, name) = (self.files, GOLDEN);
        let write = |path: PathBuf, what: String| Action::Write { path, what };
        let vmx = files.vmx(name);
        let snapshot = Command::Snapshot { vmx: vmx.clone(), name: golden::SNAPSHOT.into() };
        vec![
            write(files.cidata(name), "CIDATA: what all nodes share, nothing of any one of them".into()),
            write(files.disk(name), format!("disk of {} GiB", self.lab.vm.disk_gib)),
            write(vmx.clone(), "the machine that every node is a clone of".into()),
            self.vmrun(&Command::start(&vmx)),
            self.vmrun(&Command::List), // until it has switched itself off
            self.vmrun(&snapshot),
        ]
    }

    fn machine(&self, node: &Node) -> Vec<Action> {
        let (lab, files) = (self.lab, self.files);
        let keys = machines::vmx(lab, files, node).entries().count();
        let write = |path: PathBuf, what: String| Action::Write { path, what };
        let seed = write(files.cidata(&node.name), format!("CIDATA: {} at {}", node.name, node.address));
        let vmx = write(
            files.vmx(&node.name),
            format!("{} MiB, {} CPUs, {}, {keys} keys", node.memory_mib, node.cpus, node.mac),
        );
        match lab.vm.create {
            Create::Install => {
                vec![seed, write(files.disk(&node.name), format!("disk of {} GiB", lab.vm.disk_gib)), vmx]
            }
            Create::Clone => {
                let clone = Command::Clone {
                    vmx: files.vmx(GOLDEN),
                    target: files.vmx(&node.name),
                    linked: true,
                    snapshot: Some(golden::SNAPSHOT.into()),
                    name: Some(node.name.clone()),
                };
                vec![self.vmrun(&clone), vmx, seed]
            }
        }
    }

    fn install(&self, node: &Node) -> Vec<Action> {
        let vmx = self.files.vmx(&node.name);
        let mut actions = vec![self.vmrun(&Command::start(&vmx))];
        actions.push(Action::Node {
            target: format!("{}@{}", crate::secrets::USER, node.address),
            what: match self.lab.vm.create {
                Create::Install => {
                    "wait for the end of the unattended installation and the first boot (host key pinned)"
                }
                Create::Clone => "wait for the end of the first boot (host key pinned)",
            }
            .into(),
        });
        let whole = machines::vmx(self.lab, self.files, node);
        let full = vmware::CD_DRIVES.iter().filter(|drive| whole.is_true(&format!("{drive}.present")));
        let empty = full.flat_map(|drive| Vmrun::disconnecting(&vmx, drive));
        actions.extend(empty.map(|command| self.vmrun(&command)));
        actions
    }

    fn vmrun(&self, command: &Command) -> Action {
        Action::Run { argv: self.provider.vmrun().argv(command) }
    }

    fn on_nodes(&self, pick: impl Fn(&Node) -> bool, what: &str) -> Vec<Action> {
        let nodes = self.lab.nodes.iter().filter(|n| pick(n));
        nodes
            .map(|n| Action::Node {
                target: format!("{}@{}", crate::secrets::user_of(n), n.address),
                what: what.to_owned(),
            })
            .collect()
    }
}
