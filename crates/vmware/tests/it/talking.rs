//! The runner against a program that speaks vmrun's language, with vmrun's bad habits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use steps::Problem;
use vmware::vmrun::{Command, Deadlines, ErrorKind, Page, VariableKind, Vmrun};

/// A machine whose state is a file; `$MODE` picks a bad habit.
const FAKE: &str = r#"
echo "$*" >> "$HOME_DIR/calls"
shift 2
state="$HOME_DIR/on"
case "$1" in
list) n=0; [ -e "$state" ] && n=1; echo "Total running VMs: $n"; [ $n = 1 ] && cat "$state"; exit 0 ;;
start)
  echo "Warning: program compiled against libxml 210 using older 209" >&2
  case "$MODE" in
  zero) echo "Error: Cannot open VM: $2, The virtual machine cannot be found"; exit 0 ;;
  cancel) echo "Error: The operation was canceled"; exit 255 ;;
  late) echo "$2" > "$state"; echo "Error: Unable to connect to host."; exit 255 ;;
  cp949) printf 'Error: \260\241\273\363 lock\r\n'; exit 255 ;;
  hang) sleep 60 ;;
  hang-late) echo "$2" > "$state"; sleep 60 ;;
  busy) [ -e "$HOME_DIR/second" ] || { touch "$HOME_DIR/second"; echo "Error: Unable to connect to host."; exit 255; } ;;
  esac
  echo "$2" > "$state" ;;
stop)
  [ -e "$state" ] || { echo "Error: The virtual machine is not powered on: $2"; exit 255; }
  if [ "$3" = soft ]; then echo "Error: The VMware Tools are not running in the virtual machine: $2"; exit 255; fi
  rm "$state" ;;
checkToolsState) echo unknown; exit 254 ;;
deleteVM) rm "$2" ;;
disconnectNamedDevice) ;;
readVariable) cat "$HOME_DIR/var-$4" 2>/dev/null; echo ;;
writeVariable) echo "$5" > "$HOME_DIR/var-$4" ;;
listSnapshots) n=0; [ -e "$HOME_DIR/snaps" ] && n=$(wc -l < "$HOME_DIR/snaps"); echo "Total snapshots: $n"; [ "$n" = 0 ] || cat "$HOME_DIR/snaps" ;;
snapshot)
  [ "$MODE" = no-effect ] && exit 0
  echo "$3" >> "$HOME_DIR/snaps"
  [ "$MODE" = lost-snapshot ] && { echo "Error: The operation was canceled"; exit 255; } ;;
deleteSnapshot) rm "$HOME_DIR/snaps" ;;
clone)
  [ "$MODE" = half ] && [ ! -e "$HOME_DIR/half" ] && { touch "$HOME_DIR/half"; echo 'sata0:0.fileName = "gone.vmdk"' > "$3"; echo "Error: Unknown error"; exit 255; }
  [ -e "$3" ] && { echo "Error: One of the parameters was invalid"; exit 255; }
  echo 'sata0:0.fileName = "disk.vmdk"' > "$3"; touch "$(dirname "$3")/disk.vmdk" ;;
*) echo "Error: Unrecognized command: $1"; exit 255 ;;
esac
"#;

struct Lab {
    dir: tempfile::TempDir,
    vmx: PathBuf,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let vmx = dir.path().join("Master.vmx");
        std::fs::write(&vmx, "sata0:1.present = \"TRUE\"\nsata0:1.startConnected = \"TRUE\"\n").unwrap();
        Self { dir, vmx }
    }

    fn vmrun(&self, mode: &str) -> Vmrun {
        let home = self.dir.path().to_string_lossy().into_owned();
        Vmrun {
            program: ["sh", "-c", FAKE, "vmrun"].map(str::to_owned).to_vec(),
            env: vec![("HOME_DIR".into(), home), ("MODE".into(), mode.into())],
            deadlines: Deadlines {
                quick: Duration::from_secs(10),
                start: Duration::from_secs(2),
                settle: Duration::from_secs(2),
                pause: Duration::from_millis(10),
                ..Deadlines::default()
            },
            page: Page::Number(949),
            ..Vmrun::default()
        }
    }

    fn calls(&self) -> String {
        let calls = std::fs::read_to_string(self.dir.path().join("calls")).unwrap();
        calls.replace(&*self.dir.path().to_string_lossy(), "DIR")
    }
}

#[tokio::test]
async fn a_machine_is_started_and_stopped_once() {
    let lab = Lab::new();
    let vmrun = lab.vmrun("");
    assert!(vmrun.ensure_running(&lab.vmx).await.unwrap());
    assert!(!vmrun.ensure_running(&lab.vmx).await.unwrap());
    assert!(vmrun.is_running(Path::new(&lab.vmx.to_string_lossy().to_uppercase())).await.unwrap());
    assert!(vmrun.ensure_stopped(&lab.vmx).await.unwrap());
    assert!(!vmrun.ensure_stopped(&lab.vmx).await.unwrap());
    assert!(vmrun.ensure_deleted(&lab.vmx).await.unwrap());
    assert!(!vmrun.ensure_deleted(&lab.vmx).await.unwrap());
    insta::assert_snapshot!(lab.calls());
}

#[tokio::test]
async fn an_error_line_counts_even_with_exit_code_zero() {
    let lab = Lab::new();
    let error = lab.vmrun("zero").ensure_running(&lab.vmx).await.unwrap_err();
    assert_eq!((error.kind(), error.id()), (Some(ErrorKind::VmNotFound), "AL-VMR-001"), "{error}");
}

#[tokio::test]
async fn after_a_failure_the_state_decides() {
    let lab = Lab::new();
    assert!(lab.vmrun("late").ensure_running(&lab.vmx).await.unwrap());
}

#[tokio::test]
async fn a_canceled_start_gives_the_cause_from_the_log() {
    let lab = Lab::new();
    let log = "x| I005: Msg_Post: Error\nx| I005: [msg.cdromdisc.connectError] Cannot connect to the CD.\nx| ---\n";
    std::fs::write(lab.dir.path().join("vmware.log"), log).unwrap();
    let error = lab.vmrun("cancel").ensure_running(&lab.vmx).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Canceled));
    assert!(error.to_string().ends_with("vmware.log: Cannot connect to the CD."), "{error}");
}

#[tokio::test]
async fn another_code_page_does_not_hide_the_class() {
    let lab = Lab::new();
    let error = lab.vmrun("cp949").ensure_running(&lab.vmx).await.unwrap_err();
    assert_eq!(error.kind(), Some(ErrorKind::Locked), "{error}");
    assert!(error.to_string().contains("가상 lock"), "{error}");
}

#[tokio::test]
async fn the_tools_state_of_a_machine_that_is_off_is_an_answer() {
    let lab = Lab::new();
    let text = lab.vmrun("").run(&Command::CheckToolsState { vmx: lab.vmx.clone() }).await.unwrap();
    assert_eq!(text, "unknown");
}

#[tokio::test]
async fn a_drive_is_emptied_in_the_file_of_a_machine_that_is_off() {
    let lab = Lab::new();
    assert!(lab.vmrun("").disconnect(&lab.vmx, "sata0:1").await.unwrap());
    assert!(!lab.vmrun("").disconnect(&lab.vmx, "sata0:1").await.unwrap());
    let text = std::fs::read_to_string(&lab.vmx).unwrap();
    assert_eq!(text, "sata0:1.present = \"TRUE\"\nsata0:1.startConnected = \"FALSE\"\n");
}

#[tokio::test]
async fn a_start_that_hangs_is_ended_and_the_state_decides() {
    let start = std::time::Instant::now();
    let lab = Lab::new();
    assert!(lab.vmrun("hang-late").ensure_running(&lab.vmx).await.unwrap());
    let lab = Lab::new();
    let mut vmrun = lab.vmrun("hang");
    vmrun.deadlines.tries = 1;
    assert_eq!(vmrun.ensure_running(&lab.vmx).await.unwrap_err().id(), "AL-EXE-004");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_busy_host_is_asked_again_after_a_look() {
    let lab = Lab::new();
    assert!(lab.vmrun("busy").ensure_running(&lab.vmx).await.unwrap());
    insta::assert_snapshot!(lab.calls());
}

#[tokio::test]
async fn a_live_drive_is_emptied_once_although_the_file_does_not_say_so() {
    let lab = Lab::new();
    let vmrun = lab.vmrun("");
    vmrun.ensure_running(&lab.vmx).await.unwrap();
    assert!(vmrun.disconnect(&lab.vmx, "sata0:1").await.unwrap());
    assert!(!vmrun.disconnect(&lab.vmx, "sata0:1").await.unwrap());
    assert!(!vmrun.disconnect(&lab.vmx, "sata0:2").await.unwrap());
    insta::assert_snapshot!(lab.calls());
}

#[tokio::test]
async fn a_snapshot_is_taken_once_and_counted_by_the_list() {
    let lab = Lab::new();
    assert!(lab.vmrun("").ensure_snapshot(&lab.vmx, "ready").await.unwrap());
    assert!(!lab.vmrun("").ensure_snapshot(&lab.vmx, "ready").await.unwrap());
    assert!(lab.vmrun("").ensure_no_snapshot(&lab.vmx, "ready").await.unwrap());
    assert!(lab.vmrun("lost-snapshot").ensure_snapshot(&lab.vmx, "second").await.unwrap());
    assert_eq!(lab.vmrun("").snapshots(&lab.vmx).await.unwrap().len(), 1);
    let error = lab.vmrun("no-effect").ensure_snapshot(&lab.vmx, "third").await.unwrap_err();
    assert_eq!(error.id(), "AL-VMR-013", "{error}");
}

#[tokio::test]
async fn a_clone_that_was_left_half_made_is_made_anew() {
    let lab = Lab::new();
    let target = lab.dir.path().join("w1/w1.vmx");
    std::fs::create_dir(lab.dir.path().join("w1")).unwrap();
    assert!(lab.vmrun("half").ensure_clone(&lab.vmx, "base", &target, "w1").await.unwrap());
    assert!(!lab.vmrun("").ensure_clone(&lab.vmx, "base", &target, "w1").await.unwrap());
    insta::assert_snapshot!(lab.calls());
}

#[tokio::test]
async fn many_machines_are_listed_once_before_and_once_after() {
    let lab = Lab::new();
    let started = lab.vmrun("").ensure_all_running(std::slice::from_ref(&lab.vmx)).await.unwrap();
    assert_eq!(started, std::slice::from_ref(&lab.vmx));
    assert!(lab.vmrun("").ensure_all_running(std::slice::from_ref(&lab.vmx)).await.unwrap().is_empty());
    insta::assert_snapshot!(lab.calls());
}

#[tokio::test]
async fn the_password_of_a_machine_goes_along_with_every_call_and_is_never_shown() {
    let lab = Lab::new();
    let mut vmrun = lab.vmrun("");
    vmrun.password = Some("geheim".to_owned().into());
    vmrun.program = ["sh", "-c", "echo \"Total running VMs: 0\"; echo \"$@\"", "vmrun"].map(str::to_owned).to_vec();
    let read = Command::ReadVariable { vmx: lab.vmx.clone(), kind: VariableKind::GuestVar, name: "x".into() };
    for command in [Command::List, Command::CheckToolsState { vmx: lab.vmx.clone() }, read] {
        assert!(vmrun.run(&command).await.unwrap().contains("-T ws -vp geheim "), "{command:?}");
        assert!(vmrun.argv(&command).contains(&"***".to_owned()));
        assert!(!format!("{vmrun:?} {:?}", vmrun.argv(&command)).contains("geheim"));
    }
}

#[tokio::test]
async fn a_locked_file_is_waited_for() {
    let lab = Lab::new();
    let lock = lab.dir.path().join("Master.vmx.lck");
    std::fs::create_dir(&lock).unwrap();
    let change = |v: &mut vmware::Vmx| v.set("memsize", "1024");
    let error = vmware::edit(&lab.vmx, Duration::from_millis(300), change).await.unwrap_err();
    assert_eq!(error.id(), "AL-VMX-004");
    let later = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        std::fs::remove_dir(&lock).unwrap();
    };
    let (changed, ()) = tokio::join!(vmware::edit(&lab.vmx, Duration::from_secs(20), change), later);
    assert!(changed.unwrap());
}
