//! What changes files of a machine that is off: clones, removal, configuration, adapters; and the host's networks.

use crate::case::{Case, Exit, Needs, Out, Step, fails, ok, quiet};

const NETWORK: &str = "usage text of vmrun for Workstation 16 and 17, mech";

pub const CASES: &[Case] = &[
    Case::new(
        "deleteVM removes the machine",
        "usage text of vmrun 1.17.0",
        Needs::Off,
        &[
            quiet(&["deleteVM", "{vmx}"]),
            Step::File { path: "{vmx}", there: false },
            Step::File { path: "{dir}/m.vmdk", there: false },
            fails(&["deleteVM", "{vmx}"], "Error: Cannot open VM: {vmx}, The virtual machine cannot be found"),
        ],
    ),
    Case::new(
        "a full clone is a machine of its own",
        "usage text of vmrun 1.17.0, packer",
        Needs::Off,
        &[
            quiet(&["clone", "{vmx}", "{clone}", "full", "-cloneName=copy"]),
            Step::File { path: "{clone}", there: true },
            ok(&["readVariable", "{clone}", "runtimeConfig", "displayName"], Out::Is("copy")),
            quiet(&["deleteVM", "{vmx}"]),
            ok(&["listSnapshots", "{clone}"], Out::Is("Total snapshots: 0")),
            quiet(&["deleteVM", "{clone}"]),
            Step::File { path: "{clone}", there: false },
        ],
    ),
    Case::new(
        "a linked clone of a snapshot",
        "vagrant, packer",
        Needs::Off,
        &[
            quiet(&["snapshot", "{vmx}", "base"]),
            quiet(&["clone", "{vmx}", "{clone}", "linked", "-snapshot=base", "-cloneName=link"]),
            Step::File { path: "{clone}", there: true },
            ok(&["readVariable", "{clone}", "runtimeConfig", "displayName"], Out::Is("link")),
            ok(&["listSnapshots", "{vmx}"], Out::Is("Total snapshots: 1\nbase")),
            quiet(&["deleteVM", "{clone}"]),
            quiet(&["deleteVM", "{vmx}"]),
        ],
    ),
    Case::new(
        "a clone of a snapshot that is not there",
        "open-vm-tools, vix.h: 13003",
        Needs::Off,
        &[
            Step::Run {
                words: &["clone", "{vmx}", "{clone}", "linked", "-snapshot=none"],
                exit: Exit::Failed,
                out: Out::Begins("Error: "),
            },
            Step::File { path: "{clone}", there: false },
        ],
    ),
    Case::new(
        "runtimeConfig is the .vmx",
        "VMware's vmrun reference",
        Needs::Off,
        &[
            ok(&["readVariable", "{vmx}", "runtimeConfig", "memsize"], Out::Is("64")),
            quiet(&["writeVariable", "{vmx}", "runtimeConfig", "annotation", "by contract"]),
            ok(&["readVariable", "{vmx}", "runtimeConfig", "annotation"], Out::Is("by contract")),
        ],
    ),
    Case::new(
        "adapters are listed, added, changed and removed",
        NETWORK,
        Needs::Off,
        &[
            ok(&["listNetworkAdapters", "{vmx}"], Out::Begins("Total network adapters: 0")),
            quiet(&["addNetworkAdapter", "{vmx}", "hostonly"]),
            ok(
                &["listNetworkAdapters", "{vmx}"],
                Out::Has(&["Total network adapters: 1", "INDEX", "TYPE", "VMNET", "hostonly", "vmnet1"]),
            ),
            quiet(&["setNetworkAdapter", "{vmx}", "0", "nat"]),
            ok(&["listNetworkAdapters", "{vmx}"], Out::Has(&["nat", "vmnet8"])),
            quiet(&["deleteNetworkAdapter", "{vmx}", "0"]),
            ok(&["listNetworkAdapters", "{vmx}"], Out::Begins("Total network adapters: 0")),
        ],
    )
    .optional(),
    Case::new(
        "the host's networks",
        NETWORK,
        Needs::Off,
        &[ok(
            &["listHostNetworks"],
            Out::Has(&["Total host networks: ", "INDEX", "NAME", "TYPE", "DHCP", "SUBNET", "MASK"]),
        )],
    )
    .optional(),
];
