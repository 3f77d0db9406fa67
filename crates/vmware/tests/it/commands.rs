//! Every command as words, every answer as values.

use std::path::{Path, PathBuf};

use vmware::vmrun::{
    Command, Deadlines, GuestLogin, GuestOp, GuestRun, PowerMode, ToolsState, VariableKind, directory, exists,
    guest_address, host_networks, network_adapters, port_forwardings, processes, running, same_path, snapshots,
    temp_file, tools_state, variable,
};

fn all() -> Vec<Command> {
    let vmx = || PathBuf::from(r"C:\airlab\vms\master.vmx");
    let name = || "base".to_owned();
    let guest = |op| Command::Guest {
        vmx: vmx(),
        login: GuestLogin { user: "airlab".into(), password: "geheim".to_owned().into() },
        op,
    };
    let how = GuestRun { no_wait: true, active_window: true, interactive: true };
    let path = || "/etc/hostname".to_owned();
    let (hard, soft) = (PowerMode::Hard, PowerMode::Soft);
    vec![
        Command::List,
        Command::start(&vmx()),
        Command::Start { vmx: vmx(), gui: true },
        Command::stop(&vmx(), soft),
        Command::Reset { vmx: vmx(), mode: hard },
        Command::Suspend { vmx: vmx(), mode: soft },
        Command::Pause { vmx: vmx() },
        Command::Unpause { vmx: vmx() },
        Command::ListSnapshots { vmx: vmx(), tree: true },
        Command::Snapshot { vmx: vmx(), name: "two words".into() },
        Command::RevertToSnapshot { vmx: vmx(), name: name() },
        Command::DeleteSnapshot { vmx: vmx(), name: name(), children: true },
        Command::ListNetworkAdapters { vmx: vmx() },
        Command::AddNetworkAdapter { vmx: vmx(), kind: "custom".into(), network: Some("vmnet1".into()) },
        Command::SetNetworkAdapter { vmx: vmx(), index: 0, kind: "nat".into(), network: None },
        Command::DeleteNetworkAdapter { vmx: vmx(), index: 0 },
        Command::ListHostNetworks,
        Command::ListPortForwardings { network: "vmnet8".into() },
        Command::SetPortForwarding {
            network: "vmnet8".into(),
            protocol: "tcp".into(),
            host_port: 8080,
            guest_address: "192.168.6.10".into(),
            guest_port: 80,
            description: Some("web".into()),
        },
        Command::DeletePortForwarding { network: "vmnet8".into(), protocol: "tcp".into(), host_port: 8080 },
        Command::ConnectNamedDevice { vmx: vmx(), device: "sata0:1".into() },
        Command::disconnect(&vmx(), "sata0:1"),
        Command::WriteVariable { vmx: vmx(), kind: VariableKind::GuestVar, name: "state".into(), value: "done".into() },
        Command::ReadVariable { vmx: vmx(), kind: VariableKind::RuntimeConfig, name: "memsize".into() },
        Command::GetGuestIpAddress { vmx: vmx(), wait: true },
        Command::CheckToolsState { vmx: vmx() },
        Command::InstallTools { vmx: vmx() },
        Command::UpgradeVm { vmx: vmx() },
        Command::delete(&vmx()),
        Command::Clone {
            vmx: vmx(),
            target: r"C:\airlab\vms\w1.vmx".into(),
            linked: true,
            snapshot: Some(name()),
            name: Some("w1".into()),
        },
        Command::AddSharedFolder { vmx: vmx(), name: "share".into(), host: r"C:\share".into() },
        Command::SetSharedFolderState { vmx: vmx(), name: "share".into(), host: r"C:\share".into(), writable: false },
        Command::RemoveSharedFolder { vmx: vmx(), name: "share".into() },
        Command::EnableSharedFolders { vmx: vmx(), runtime: true },
        Command::DisableSharedFolders { vmx: vmx(), runtime: false },
        Command::DownloadPhotonVm { path: r"C:\vms".into() },
        guest(GuestOp::RunProgram { how, program: "/bin/sh".into(), args: vec!["-c".into(), "true".into()] }),
        guest(GuestOp::RunScript { how: GuestRun::default(), interpreter: "/bin/sh".into(), script: "exit 3".into() }),
        guest(GuestOp::FileExists { path: path() }),
        guest(GuestOp::DirectoryExists { path: path() }),
        guest(GuestOp::ListProcesses),
        guest(GuestOp::KillProcess { pid: 7 }),
        guest(GuestOp::DeleteFile { path: path() }),
        guest(GuestOp::CreateDirectory { path: path() }),
        guest(GuestOp::DeleteDirectory { path: path() }),
        guest(GuestOp::ListDirectory { path: path() }),
        guest(GuestOp::RenameFile { from: path(), to: "/tmp/x".into() }),
        guest(GuestOp::CreateTempFile),
        guest(GuestOp::CopyToGuest { host: r"C:\a".into(), guest: path() }),
        guest(GuestOp::CopyFromGuest { guest: path(), host: r"C:\a".into() }),
        guest(GuestOp::TypeKeystrokes { keys: "y".into() }),
        guest(GuestOp::CaptureScreen { host: r"C:\a.png".into() }),
    ]
}

#[test]
fn every_command_has_one_order_of_words_and_shows_no_password() {
    let line = |c: &Command| format!("{:>5} s  {}\n", Deadlines::default().of(c).as_secs(), c.argv().join(" "));
    let text: String = all().iter().map(line).collect();
    assert!(!text.contains("geheim") && !format!("{:?}", all()).contains("geheim"));
    insta::assert_snapshot!(text);
}

#[test]
fn answers_are_read_in_spite_of_junk_and_carriage_returns() {
    let list = "2015-08-31T17:57:29.547| ServiceImpl_Opener: PID 5033\r\nTotal running VMs: 2\r\nC:\\a b\\m.vmx\r\n/v/w.vmx\r\n";
    assert_eq!(running(list).unwrap(), [PathBuf::from("C:\\a b\\m.vmx"), "/v/w.vmx".into()]);
    assert_eq!(running("Total running VMs: 0").unwrap().len(), 0);
    assert_eq!(running("nonsense"), None);
    let tree: Vec<(String, usize)> = snapshots("Total snapshots: 3\r\nbase\r\n\tready\r\n\t\tafter ks\r\n")
        .unwrap()
        .into_iter()
        .map(|s| (s.name, s.depth))
        .collect();
    assert_eq!(tree, [("base".into(), 0), ("ready".into(), 1), ("after ks".into(), 2)]);
    let text = "Total host networks: 2\nINDEX  NAME         TYPE         DHCP         SUBNET           MASK\n\
                0      vmnet0       bridged      false        empty            empty\n\
                1      vmnet1       hostOnly     true         172.16.11.0      255.255.255.0\n";
    insta::assert_debug_snapshot!(host_networks(text).unwrap());
    assert_eq!(guest_address("unknown\r\n"), None);
    assert_eq!(guest_address("192.168.6.10\r\n"), "192.168.6.10".parse().ok());
    assert_eq!(tools_state("running\r\n"), Some(ToolsState::Running));
    assert_eq!(tools_state("Error: no"), None);
}

#[test]
fn tables_are_read_with_noise_in_them() {
    let noise = "2015-08-31T17:57:29.547| ServiceImpl_Opener: PID 5033\r\n";
    let adapters = "Total network adapters: 2\r\nINDEX  TYPE         VMNET\r\n0      nat          vmnet8\r\n\r\n1      bridged\r\n";
    insta::assert_debug_snapshot!(network_adapters(&format!("{noise}{adapters}")).unwrap());
    let forwards = "Total port forwardings: 2\nINDEX  PROTOCOL     HOST PORT    GUEST IP            GUEST PORT   DESCRIPTION\n\
                    0      tcp          8082         172.16.63.128       80           my web\n\
                    1      udp          53           172.16.63.129       53\n";
    insta::assert_debug_snapshot!(port_forwardings(forwards).unwrap());
    assert_eq!(port_forwardings("Total port forwardings: 0\n"), Some(vec![]));
    assert_eq!(port_forwardings("Total port forwardings: 2\n0 tcp 1 1.2.3.4 2"), None, "cut short");
    assert_eq!(running("Total running VMs: 2\n/a.vmx\n"), None, "cut short");
    let list = "Process list: 2\r\npid=1, owner=root, cmd=/sbin/init\r\npid=77, owner=a b, cmd=x, owner=y, cmd=z\r\n";
    insta::assert_debug_snapshot!(processes(&format!("{noise}{list}")).unwrap());
}

#[test]
fn small_answers_from_inside_a_guest() {
    assert_eq!(exists("The file exists.\r\n"), Some(true));
    assert_eq!(exists("junk\nThe directory does not exist.\n"), Some(false));
    assert_eq!(exists(""), None);
    assert_eq!(directory("Directory list: 2\r\nhosts\r\nmy file\r\n"), Some(vec!["hosts".into(), "my file".into()]));
    assert_eq!(directory("Directory list: 3\r\nhosts\r\n"), None);
    assert_eq!(temp_file("junk\r\n/tmp/vmware-root/vmware1\r\n").as_deref(), Some("/tmp/vmware-root/vmware1"));
    assert_eq!(temp_file("C:\\Temp\\vmware1\r\n").as_deref(), Some("C:\\Temp\\vmware1"));
    assert_eq!(variable("2015-08-31T17:57:29.547| x: PID 5033\r\ndone\r\n"), "done");
    assert_eq!(variable("\r\n"), "");
}

#[test]
fn paths_are_compared_as_vmware_does() {
    assert!(same_path(Path::new(r"C:\Airlab\VMs\m.vmx"), Path::new("c:/airlab/vms/M.vmx")));
    assert!(!same_path(Path::new("/vms/a.vmx"), Path::new("/vms/b.vmx")));
}
