//! What this front end cannot do, said before anybody has to find out.

/// The text of `qvmrun limits`.
pub(crate) const LIMITS: &str = "\
What a node of qvmrun's container engine is and is not

It is a system container on this host's kernel. Real: systemd, cloud-init, the network configuration, sshd, containerd,
Kubernetes, the installer of the ISO, the .vmdk, the memory and processor limits of the .vmx.
It has no boot loader, no kernel, no disk controller and no clock of its own: what depends on them is not proven here.

- Needs root. A privileged pod could reach the host through it: run trusted images only.
- The host's clock, modules, swap and sysctls outside net are out of the node's reach; its own network is its own.
- Installers must be able to run in a container and say so on their volume (/.disk/airlab-demo-installer).
- Suspend, pause, snapshots of a machine that runs and pictures of its screen answer as not supported.
- Nobody checks the guest password of -gp: a user that exists in the node is let in. Variables that the guest sets do
  not arrive here. Shared folders, port forwardings and installTools answer as not supported.
- A disk with snapshots, and a linked clone, hold qcow2 files: VMware cannot open them. A full clone it can.
- There are no VMware Tools: checkToolsState and stop soft speak with the node's own systemd.
- A green run proves sequence, parsing, recovery and guest configuration. It does not prove compatibility with VMware.
";

/// One sentence: which engine, and what its evidence is worth.
pub(crate) const EVIDENCE: &str = "system container on this host's kernel: systemd, network, disk contents and Kubernetes \
are real; boot loader, kernel and clock are the host's";

/// Said with every set of facts.
pub(crate) const WARNING: &str =
    "nodes are system containers run by root: a privileged pod could reach this host, so run trusted images only";
