//! The runner against a program that speaks vmrun's language, with vmrun's bad habits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use steps::Problem;
use vmware::vmrun::{Command, ErrorKind, Vmrun};

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
  cp949) printf 'Error: \xb0\xa1\xbb\xf3 lock\r\n'; exit 255 ;;
  esac
  echo "$2" > "$state" ;;
stop)
  [ -e "$state" ] || { echo "Error: The virtual machine is not powered on: $2"; exit 255; }
  if [ "$3" = soft ]; then echo "Error: The VMware Tools are not running in the virtual machine: $2"; exit 255; fi
  rm "$state" ;;
checkToolsState) echo unknown; exit 254 ;;
deleteVM) rm "$2" ;;
disconnectNamedDevice) ;;
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
