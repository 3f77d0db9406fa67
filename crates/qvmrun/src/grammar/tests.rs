use super::*;

fn call(line: &str) -> Result<Call, Misuse> {
    parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
}

#[test]
fn flags_come_first_and_commands_are_known_in_any_case() {
    let vmx = || "/a.vmx".to_owned();
    assert_eq!(call("-T ws list"), Ok(Call::List));
    assert_eq!(call("-T ws LISTHOSTNETWORKS"), Ok(Call::ListHostNetworks));
    assert_eq!(call("-T ws start /a.vmx nogui"), Ok(Call::Start { vmx: vmx() }));
    assert_eq!(call("Start /a.vmx"), Ok(Call::Start { vmx: vmx() }));
    assert_eq!(call("stop /a.vmx hard"), Ok(Call::Stop { vmx: vmx(), how: How::Hard }));
    assert_eq!(call("stop /a.vmx"), Ok(Call::Stop { vmx: vmx(), how: How::Soft }));
    let address = Call::GetGuestIpAddress { vmx: vmx(), wait: true };
    assert_eq!(call("-T ws -gu a -gp b getguestipaddress /a.vmx -wait"), Ok(address));
    let device = |connected| Call::SetDevice { vmx: vmx(), device: "sata0:1".into(), connected };
    assert_eq!(call("disconnectNamedDevice /a.vmx sata0:1"), Ok(device(false)));
    assert_eq!(call("connectNamedDevice /a.vmx sata0:1"), Ok(device(true)));
    let args: Vec<String> = "-T ws -gp x stop /a.vmx".split(' ').map(String::from).collect();
    assert_eq!(command(&args), Some("stop"));
}

#[test]
fn snapshots_and_clones() {
    let vmx = || "/a.vmx".to_owned();
    assert_eq!(call("listSnapshots /a.vmx showtree"), Ok(Call::ListSnapshots { vmx: vmx(), tree: true }));
    let delete = Call::DeleteSnapshot { vmx: vmx(), name: "s/t".into(), children: true };
    assert_eq!(call("deleteSnapshot /a.vmx s/t andDeleteChildren"), Ok(delete));
    let clone = |linked, snapshot: Option<&str>, name: Option<&str>| Call::Clone {
        vmx: vmx(),
        target: "/b/b.vmx".into(),
        linked,
        snapshot: snapshot.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    assert_eq!(call("clone /a.vmx /b/b.vmx linked -snapshot=s -cloneName=b"), Ok(clone(true, Some("s"), Some("b"))));
    assert_eq!(call("clone /a.vmx /b/b.vmx full -snapshot s"), Ok(clone(false, Some("s"), None)));
    assert_eq!(call("clone /a.vmx /b/b.vmx half"), Err(Misuse::Argument("half".into())));
    assert_eq!(call("clone /a.vmx /b/b.vmx"), Err(Misuse::TooFew));
}

#[test]
fn guest_operations_carry_the_user_but_no_password() {
    let run = Call::Guest {
        vmx: "/a.vmx".into(),
        user: Some("ops".into()),
        op: GuestOp::RunProgram { wait: false, interactive: true, program: "/bin/ls".into(), args: vec!["-l".into()] },
    };
    assert_eq!(call("-gu ops -gp pw runProgramInGuest /a.vmx -noWait -interactive /bin/ls -l"), Ok(run));
    let copy = GuestOp::CopyToGuest { host: "a".into(), guest: "b".into() };
    let copy = Call::Guest { vmx: "/a.vmx".into(), user: None, op: copy };
    assert_eq!(call("CopyFileFromHostToGuest /a.vmx a b"), Ok(copy));
    assert_eq!(call("killProcessInGuest /a.vmx x"), Err(Misuse::Argument("x".into())));
}

#[test]
fn wrong_lines_are_refused_as_vmrun_does() {
    assert_eq!(call(""), Err(Misuse::Bare));
    assert_eq!(call("-T ws"), Err(Misuse::Bare));
    assert_eq!(call("-x list"), Err(Misuse::Argument("-x".into())));
    assert_eq!(call("frobnicate"), Err(Misuse::Command("frobnicate".into())));
    assert_eq!(call("unregister /a.vmx"), Err(Misuse::Command("unregister".into())));
    assert_eq!(call("start"), Err(Misuse::TooFew));
    assert_eq!(call("start /a.vmx -T"), Err(Misuse::Argument("-T".into())));
    assert_eq!(call("stop /a.vmx hard nogui"), Err(Misuse::Argument("nogui".into())));
    assert_eq!(call("list all"), Err(Misuse::Argument("all".into())));
    assert_eq!(call("connectNamedDevice /a.vmx"), Err(Misuse::TooFew));
    assert_eq!(call("readVariable /a.vmx other x"), Err(Misuse::Argument("other".into())));
}

#[test]
fn our_own_verbs() {
    let up = call("net up 192.168.6.1/24 --mode bridge --forward 192.168.6.10:22").unwrap();
    let want = Own::NetUp {
        address: "192.168.6.1".parse().unwrap(),
        prefix: 24,
        mode: Some(crate::net::Mode::Bridge),
        forwards: vec!["192.168.6.10:22".parse().unwrap()],
    };
    assert_eq!(up, Call::Own(want));
    assert_eq!(call("net exec -- ip addr"), Ok(Call::Own(Own::NetExec(vec!["ip".into(), "addr".into()]))));
    for wrong in ["net", "net up", "net up 192.168.6.1", "net up 192.168.6.1/33", "net exec --", "net up fe80::1/64"] {
        assert!(matches!(call(wrong), Err(Misuse::Own(_))), "{wrong}");
    }
    assert!(matches!(call("net up 192.168.6.1/24 --forward x"), Err(Misuse::Own(_))));
    assert!(matches!(call("net up 192.168.6.1/24 --mode nat"), Err(Misuse::Own(_))));
}
