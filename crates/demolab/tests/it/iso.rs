//! The installer ISO's structure, seen by programs that did not make it.

use std::time::Duration;

use machine::{Cmd, Local};

fn run(program: &str, args: &[&str]) -> String {
    let cmd = Cmd::new(program).args(args).timeout(Duration::from_secs(120));
    let out = Local.run_ok(&cmd).unwrap();
    out.text() + &out.error_text()
}

#[test]
#[ignore = "builds the node image and the ISO"]
fn the_iso_has_the_structure_of_ubuntus() {
    let iso = demolab::demo_iso(&demolab::default_cache(), &steps::Silent).unwrap();
    let iso = iso.to_str().unwrap();
    let report = run("xorriso", &["-indev", iso, "-report_el_torito", "as_mkisofs"]);
    for option in [
        "-partition_offset 16",
        "--mbr-force-bootable",
        "-append_partition 2 28732ac11ff8d211ba4b00a0c93ec93b",
        "-appended_part_as_gpt",
        "-iso_mbr_part_type a2a0d0ebe5b9334487c068b6b72699c7",
        "-b '/boot/grub/i386-pc/eltorito.img'",
        "-boot-load-size 10072",
        "-eltorito-alt-boot",
    ] {
        assert!(report.contains(option), "{option} in\n{report}");
    }
    let text = |path: &str| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        run("xorriso", &["-osirrox", "on", "-indev", iso, "-extract", path, file.to_str().unwrap()]);
        std::fs::read_to_string(file).unwrap()
    };
    assert_eq!(text("/.disk/airlab-demo-installer"), "container\n");
    assert!(text("/.disk/info").contains("stand-in"));
    let menu = text("/boot/grub/grub.cfg");
    assert_eq!(menu.matches("\tlinux\t/casper/vmlinuz  ").count(), 2, "{menu}");
    assert!(menu.contains("set timeout=30") && text("/boot/grub/loopback.cfg").contains("iso-scan"));
    let sums = text("/md5sum.txt");
    assert!(sums.contains("./casper/filesystem.tar") && !sums.contains("eltorito.img"), "{sums}");
}

#[test]
#[ignore = "builds the node image"]
fn the_root_tree_is_small_and_has_what_a_node_needs() {
    let node = demolab::node_image(&demolab::default_cache(), &steps::Silent).unwrap();
    assert!(node.rootfs.metadata().unwrap().len() < 450 << 20);
    let files = node.files().unwrap();
    let needed = [
        "boot/vmlinuz",
        "boot/initrd.img",
        "usr/bin/jq",
        "usr/bin/htop",
        "usr/sbin/ethtool",
        "usr/bin/containerd",
        "usr/bin/etcd",
        "usr/bin/etcdctl",
        "usr/sbin/runc",
        "usr/lib/cni/bridge",
        "usr/lib/cni/host-local",
        "usr/lib/cni/portmap",
        "usr/bin/cloud-init",
        "usr/sbin/sshd",
    ];
    let missing: Vec<_> = needed.iter().filter(|path| !files.iter().any(|f| f == *path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for module in [
        "ahci",
        "nvme",
        "vmw_pvscsi",
        "virtio_scsi",
        "virtio_blk",
        "sr_mod",
        "isofs",
        "vfat",
        "overlay",
        "bridge",
        "veth",
        "vxlan",
        "br_netfilter",
        "nf_tables",
        "vmxnet3",
        "e1000e",
        "virtio_net",
        "virtio_console",
        "virtio-rng",
        "ext4",
    ] {
        let file = format!("/{module}.ko");
        assert!(files.iter().any(|f| f.starts_with("usr/lib/modules/") && f.ends_with(&file)), "{module}");
    }
    assert!(!files.iter().any(|f| f.contains("etc/ssh/ssh_host_")), "host keys must not be shared");
}
