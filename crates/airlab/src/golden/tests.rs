//! Whatever an earlier run left, the golden machine comes to its end; and a clone becomes a node. vmrun is a script here.

use lab::{Lab, Layout};
use steps::Silent;

use super::*;

/// vmrun's language over a folder: `on` names the running machine, `calls` keeps the verbs. A started machine is on for
/// two looks; then it writes `mark`, if there is one, to its console and is off.
const VMRUN: &str = r#"
state=$1 verb=$4 vmx=$5
echo "$verb" >> "$state/calls"
case $verb in
list)
  if [ -s "$state/looks" ]; then
    sed -i 1d "$state/looks"
    if [ ! -s "$state/looks" ]; then
      [ ! -f "$state/mark" ] || cat "$state/mark" >> "$(dirname "$(cat "$state/on")")/serial0.log"
      rm "$state/on"
    fi
  fi
  if [ -f "$state/on" ]; then echo "Total running VMs: 1"; cat "$state/on"; else echo "Total running VMs: 0"; fi ;;
start) echo "$vmx" > "$state/on"; printf '1\n2\n3\n' > "$state/looks" ;;
listSnapshots)
  if [ -f "$vmx.snapshot" ]; then echo "Total snapshots: 1"; cat "$vmx.snapshot"; else echo "Total snapshots: 0"; fi ;;
snapshot) echo "$6" > "$vmx.snapshot" ;;
deleteVM) rm -rf "$(dirname "$vmx")" ;;
clone)
  mkdir -p "$(dirname "$6")"
  sed 's/golden-test[^"]*vmdk/NODE-cl1.vmdk/; /^ethernet0.address /d' "$vmx" > "$6" && touch "$(dirname "$6")/NODE-cl1.vmdk" ;;
*) echo "Error: Unrecognized command: $verb"; exit 255 ;;
esac
"#;

struct Host {
    dir: tempfile::TempDir,
    lab: Lab,
    files: Layout,
    vmrun: Vmrun,
    golden: Golden,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().display().to_string();
        let text = lab::DEMO.replace("create = \"install\"", "create = \"clone\"");
        let lab = Lab::parse("airlab.toml".as_ref(), &text).unwrap();
        let files = Layout::of(&lab, &dir.path().join(".airlab"));
        let vmrun =
            Vmrun { program: ["sh", "-c", VMRUN, "sh", &state].map(str::to_owned).to_vec(), ..Vmrun::default() };
        let seed = cloudinit::golden(&cloudinit::GoldenSpec::default()).unwrap();
        let mut node = lab.nodes[0].clone();
        node.name = "golden-test".into();
        std::fs::write(dir.path().join("mark"), format!("\u{1b}[0m{}\r\n", seed.golden_mark())).unwrap();
        Self { dir, lab, files, vmrun, golden: Golden { node, seed } }
    }

    /// What the installation does, and the verbs vmrun was called with but for `list`.
    fn ensure(&self) -> (Result<(), Failure>, String) {
        let run = Run::new(&self.lab, &self.files, &Silent);
        let _ = std::fs::remove_file(self.dir.path().join("calls"));
        let ended = block_on(ensure(&run, &self.vmrun, &self.golden));
        let calls = std::fs::read_to_string(self.dir.path().join("calls")).unwrap();
        let verbs: Vec<&str> = calls.lines().filter(|v| *v != "list" && *v != "listSnapshots").collect();
        (ended, verbs.join(" "))
    }

    fn vmx(&self) -> std::path::PathBuf {
        self.files.vmx("golden-test")
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[test]
fn it_is_installed_once_and_its_drives_are_empty_in_the_snapshot() {
    let host = Host::new();
    let (ended, verbs) = host.ensure();
    ended.unwrap();
    assert_eq!(verbs, "start snapshot");
    let vmx = read_vmx(&host.vmx()).unwrap().unwrap();
    assert!(vmx.entries().all(|(key, _)| !key.starts_with("sata0:1") && !key.starts_with("sata0:2")));
    assert_eq!(vmx.get(GOLDEN), Some("golden-test"));
    let (ended, verbs) = host.ensure();
    ended.unwrap();
    assert_eq!(verbs, "");
}

#[test]
fn an_installation_that_broke_off_begins_again() {
    let host = Host::new();
    std::fs::rename(host.dir.path().join("mark"), host.dir.path().join("later")).unwrap();
    let (ended, _) = host.ensure();
    assert_eq!(ended.unwrap_err().problem().id(), "AL-RUN-010");
    std::fs::rename(host.dir.path().join("later"), host.dir.path().join("mark")).unwrap();
    let (ended, verbs) = host.ensure();
    ended.unwrap();
    assert_eq!(verbs, "deleteVM start snapshot");
}

#[test]
fn a_running_one_is_waited_for_and_a_finished_one_only_gets_its_snapshot() {
    let host = Host::new();
    host.ensure().0.unwrap();
    std::fs::remove_file(host.vmx().with_extension("vmx.snapshot")).unwrap();
    let (ended, verbs) = host.ensure();
    ended.unwrap();
    assert_eq!(verbs, "snapshot");

    std::fs::remove_file(host.vmx().with_extension("vmx.snapshot")).unwrap();
    std::fs::remove_file(host.vmx().with_file_name("serial0.log")).unwrap();
    std::fs::write(host.dir.path().join("on"), host.vmx().display().to_string()).unwrap();
    std::fs::write(host.dir.path().join("looks"), "1\n2\n3\n4\n").unwrap();
    let (ended, verbs) = host.ensure();
    ended.unwrap();
    assert_eq!(verbs, "snapshot");
}

#[test]
fn a_folder_without_a_machine_is_in_nobodys_way() {
    let host = Host::new();
    std::fs::create_dir_all(host.files.machine("golden-test")).unwrap();
    std::fs::write(host.files.disk("golden-test"), "half a disk").unwrap();
    std::fs::write(host.files.machine_file("golden-test", "serial0.log"), host.golden.seed.golden_mark()).unwrap();
    let (ended, verbs) = host.ensure();
    ended.unwrap();
    assert_eq!(verbs, "start snapshot");
}

#[test]
fn a_clone_becomes_the_node_and_an_unfinished_one_is_made_again() {
    let host = Host::new();
    host.ensure().0.unwrap();
    let run = Run::new(&host.lab, &host.files, &Silent);
    let names = || to_clone(&run).unwrap().iter().map(|n| n.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(), ["master", "worker1", "worker2"]);

    // vmrun was done with it and airlab was not
    let worker = &host.lab.nodes[1];
    let command = ["-T", "ws", "clone", &host.vmx().display().to_string()].map(str::to_owned);
    let target = host.files.vmx("worker1").display().to_string();
    let cmd = machine::Cmd::new("sh").args(&host.vmrun.program[1..]).args(command).args([target.as_str(), "linked"]);
    machine::Local.run_ok(&cmd).unwrap();
    assert_eq!(names(), ["master", "worker1", "worker2"]);

    block_on(clone(&run, &host.vmrun, &host.golden, worker)).unwrap();
    assert_eq!(names(), ["master", "worker2"]);
    let vmx = read_vmx(&host.files.vmx("worker1")).unwrap().unwrap();
    let of = |key: &str| vmx.get(key).unwrap_or("-").to_owned();
    assert_eq!(of("nvme0:0.fileName"), "NODE-cl1.vmdk");
    assert_eq!(of("ethernet0.address"), worker.mac);
    assert_eq!((of("displayName"), of("memsize")), ("worker1".into(), "1024".into()));
    assert_eq!((of(CLONE_OF), of(GOLDEN)), ("golden-test".into(), "-".into()));
    assert_eq!((of("sata0:1.present"), of("sata0:2.startConnected")), ("-".into(), "TRUE".into()));
    assert_eq!(found(&host.lab, &host.files), ["golden-test"]);
}

#[test]
fn the_plan_of_a_lab_of_clones() {
    let host = Host::new();
    let files = Layout::of(&host.lab, "/srv/.airlab".as_ref());
    let source = |name: &str| crate::Source::at(name.into());
    let sources = Sources { iso: source("iso"), k3s: source("k3s"), airgap: source("airgap"), ..Sources::default() };
    let provider = crate::Provider::of(&host.lab, &files, "/bin".as_ref(), None);
    let mut plan = crate::Plan::of(&host.lab, &files, &sources, &provider, None);
    plan.stages.retain(|s| ["golden", "machines", "install"].contains(&s.step));
    insta::assert_snapshot!(plan);
}
