//! What this front end cannot do, said before anybody has to find out.

use crate::engine::Kind;

const CONTAINER: &str = "\
container: a system container on this host's kernel

Real: systemd, cloud-init, the network configuration, sshd, containerd, Kubernetes, the installer of the ISO, the .vmdk,
the memory and processor limits of the .vmx.
It has no boot loader, no kernel, no disk controller and no clock of its own: what depends on them is not proven here.

- Needs root. A privileged pod could reach the host through it: run trusted images only.
- The host's clock, modules, swap and sysctls outside net are out of the node's reach; its own network is its own.
- Installers must be able to run in a container and say so on their volume (/.disk/airlab-demo-installer).
- Its memory is not to be had: suspend, pause, a snapshot of a running node, a start of a suspended machine and pictures of
  its screen answer as not supported. Connecting a CD counts at the next boot.
- There are no VMware Tools: checkToolsState and stop soft speak with the node's own systemd.
";

const MACHINE: &str = "\
tcg, kvm: a machine in QEMU

Real: firmware (SeaBIOS, OVMF), boot loader, kernel, initial RAM disk, disk controller, CD drives, hardware clock, and all
of the above. tcg emulates every instruction: expect a tenth of the speed, and Kubernetes of more than one node to time out.

- kvm is only taken when the processor has vmx or svm, /dev/kvm opens, and a small guest answers on it.
- The guest agent of QEMU stands for VMware Tools. Without it: stop soft presses the power button, reset soft and programs
  in the guest fail, the address comes from the host's neighbour table. It runs as root and does not check -gu and -gp.
- The machine of a disk on NVMe cannot be suspended nor snapshotted while it runs (QEMU cannot move that controller's
  state); on SATA or pvscsi it can. A suspended machine goes on only under the engine that suspended it.
- EFI boots from sata and nvme, not from SCSI. There is no Secure Boot. IDE drives make it an old machine (i440FX).
- lsilogic is another chip than VMware's, lsisas1068 and pvscsi are the same. vmxnet3, e1000, e1000e, vlance are there.
- Every network adapter is plugged into the one host-only network. Interface names differ from VMware's: match by MAC.
- Without root (net up --mode user): no bridge. Each machine has a network of its own in which the host's address leads to
  the host's loopback; nodes do not see each other; a node can reach what the host can reach; forwards lead to the node
  whose address is on its seed.
";

const ALL: &str = "\
all

- Nobody checks the guest password of -gp: a user that exists in the node is let in. Variables that the guest sets do
  not arrive here. Shared folders, port forwardings and installTools answer as not supported.
- A disk with snapshots, and a linked clone, hold qcow2 files: VMware cannot open them. A full clone it can.
- A green run proves sequence, parsing, recovery and guest configuration. It does not prove compatibility with VMware.
";

/// The text of `qvmrun limits`.
pub(crate) fn text() -> String {
    format!("{CONTAINER}\n{MACHINE}\n{ALL}")
}

/// One sentence: which engine, and what its evidence is worth.
pub(crate) fn evidence(kind: Kind) -> &'static str {
    match kind {
        Kind::Container => {
            "system container on this host's kernel: systemd, network, disk contents and Kubernetes are real; boot \
             loader, kernel and clock are the host's"
        }
        Kind::Tcg => {
            "machine emulated by QEMU: firmware, boot loader, kernel, disk controller and clock are real, its speed is \
             not; it is not VMware"
        }
        Kind::Kvm => {
            "machine in QEMU on KVM: firmware, boot loader, kernel, disk controller and clock are real; it is not VMware"
        }
    }
}

/// What has to be known before the first start.
pub(crate) fn warning(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Container => Some(
            "nodes are system containers run by root: a privileged pod could reach this host, so run trusted images only",
        ),
        Kind::Tcg => Some("every instruction of the nodes is emulated: expect minutes where others need seconds"),
        Kind::Kvm => None,
    }
}

/// The network of a user without root.
pub(crate) const USER_NETWORK: &str = "without root nodes do not see each other, and a node can reach what this host can \
reach; its loopback is at the host's address";
