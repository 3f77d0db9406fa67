use std::path::PathBuf;

use machine::Local;
use steps::Problem;

use super::*;

fn file(pin: &str, kind: &str, version: &str) -> Result<Option<Extra>, ArtifactError> {
    Extra::of("airlab.lock", (pin, kind, version), Source::at(PathBuf::from("some.file")))
}

#[test]
fn packages_and_programs_are_for_nodes_and_a_name_that_none_can_have_is_refused() {
    let found = file("deb/libstdc++6", "deb", "1:12.2.0-14~deb12u1").unwrap().unwrap();
    assert_eq!((found.name(), found.kind), ("libstdc++6", ExtraKind::Package));
    assert_eq!(file("socat", "deb", "-").unwrap().unwrap().name(), "socat");
    assert_eq!(file("tools/yq", "binary", "v4").unwrap().unwrap().name(), "yq");
    for kind in ["iso", "k3s", "packages", "chart"] {
        assert_eq!(file("x", kind, "1").unwrap(), None, "{kind}");
    }
    for (pin, kind, version) in [
        ("deb/so cat", "deb", "1"),
        ("deb/", "deb", "1"),
        ("../..", "binary", "1"),
        ("deb/a;reboot", "deb", "1"),
        ("socat", "deb", "1 2"),
        ("socat", "deb", ""),
        ("k3s", "binary", "1"),
        ("bin/kubectl", "binary", "1"),
        ("kubectl", "kubectl", ""),
    ] {
        let error = file(pin, kind, version).unwrap_err();
        assert!(error.id() == "AL-ART-005" && error.to_string().contains(pin), "{pin}: {error}");
    }
}

#[test]
fn a_node_fetches_every_program_and_of_the_packages_those_that_it_lacks() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let mut files = Vec::new();
    for (pin, kind) in [("deb/a", "deb"), ("yq", "binary"), ("deb/b", "deb")] {
        let path = dir.path().join(pin.replace('/', "-"));
        std::fs::write(&path, pin).unwrap();
        files.push(Extra { source: Source::at(path), ..file(pin, kind, "1.0").unwrap().unwrap() });
    }
    // neither is for a node
    for (pin, kind) in [("kubectl", "kubectl"), ("yq.exe", "binary")] {
        let path = dir.path().join(pin);
        std::fs::write(&path, "MZ\x01").unwrap();
        files.push(Extra { source: Source::at(path), ..file(pin, kind, "1.0").unwrap().unwrap() });
    }
    let (stock, changed) = Stock::put(&files, &store).unwrap();
    assert!(changed && !Stock::put(&files, &store).unwrap().1, "the second time nothing is written");
    let lab = lab::Lab::parse(Path::new("airlab.toml"), lab::DEMO).unwrap();
    let paths = |missing: &[&str]| stock.wanted(&lab, missing).into_iter().map(|a| a.path).collect::<Vec<_>>();
    assert_eq!(paths(&[]), ["/usr/local/bin/yq"]);
    let both = paths(&["b"]);
    assert!(both.len() == 2 && both[1].starts_with("/var/cache/airlab/") && both[1].ends_with(".deb"), "{both:?}");
    assert_eq!(stock.list(), format!("a 1.0 {}\nb 1.0 {}\n", paths(&["a"])[0], both[1]));
    assert!(Stock::put(&[], &store).unwrap().0.is_empty());
}

#[test]
fn the_kubectl_for_this_system_comes_to_the_labs_folder_once() {
    let dir = tempfile::tempdir().unwrap();
    let lab = lab::Lab::parse(Path::new("airlab.toml"), lab::DEMO).unwrap();
    let files = lab::Layout::of(&lab, dir.path());
    let run = Run::new(&lab, &files, &steps::Silent);
    let mut extras = Vec::new();
    for (pin, content) in [("kubectl.exe", "MZ\x01"), ("kubectl", "\x7fELF")] {
        let path = dir.path().join(pin);
        std::fs::write(&path, content).unwrap();
        extras.push(Extra { source: Source::at(path), ..file(pin, "kubectl", "v1.33.4").unwrap().unwrap() });
    }
    let path = kubectl(&run, &extras).unwrap().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), if cfg!(windows) { b"MZ\x01" as &[u8] } else { b"\x7fELF" });
    assert_eq!(run.changes(), [format!("kubectl v1.33.4 at {}", path.display())]);
    assert_eq!((kubectl(&run, &extras).unwrap(), run.changes().len()), (Some(path), 1));
    assert_eq!(kubectl(&run, &[]).unwrap(), None);
}

/// A root of its own for real dpkg.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        for dir in ["info", "updates"] {
            std::fs::create_dir_all(root.0.path().join("root/var/lib/dpkg").join(dir)).unwrap();
        }
        std::fs::write(root.0.path().join("root/var/lib/dpkg/status"), "").unwrap();
        root
    }

    /// `None` where there is no dpkg.
    fn deb(&self, name: &str, version: &str, depends: &str) -> Option<String> {
        Some(testkit::deb(self.0.path(), name, version, depends)?.display().to_string())
    }

    fn run(&self, verb: &str, list: &str) -> machine::Output {
        let cmd = Cmd::new("sh").args(["-c", SCRIPT, "sh", verb]).stdin(list.to_owned());
        Local.run(&cmd.env("DPKG_ROOT", self.0.path().join("root")).env("DPKG_FORCE", "not-root")).unwrap()
    }

    #[track_caller]
    fn installs_both(&self, list: &str) {
        let out = self.run("install", list);
        let both = "installed airlab-one\ninstalled airlab-two";
        assert_eq!((out.code, out.text().as_str()), (0, both), "{}", out.error_text());
    }
}

#[test]
fn a_package_and_what_it_needs_are_installed_at_once_and_a_second_time_nothing_is_done() {
    let root = Root::new();
    let Some(one) = root.deb("airlab-one", "1.0", "airlab-two (>= 2)") else { return };
    let two = root.deb("airlab-two", "2:2.0~rc1", "").unwrap();
    let list = format!("airlab-one 1.0 {one}\nairlab-two 2:2.0~rc1 {two}\n");
    assert_eq!(root.run("look", &list).text(), "airlab-one\nairlab-two");
    root.installs_both(&list);
    assert!(root.0.path().join("root/usr/bin/airlab-one").exists());
    assert!(!Path::new(&one).exists() && !Path::new(&two).exists(), "they are not kept");
    assert_eq!((root.run("look", &list).text(), root.run("install", &list).text()), (String::new(), String::new()));
    // an earlier version is not put in the place of a later one; a later one is wanted
    assert_eq!(root.run("look", &format!("airlab-one 0.9 {one}\n")).text(), "");
    assert_eq!(root.run("look", &format!("airlab-one - {one}\n")).text(), "");
    assert_eq!(root.run("look", &format!("airlab-one 1.1 {one}\n")).text(), "airlab-one");
}

#[test]
fn a_package_without_what_it_needs_is_an_error_that_dpkg_explains_and_is_mended_by_a_whole_list() {
    let root = Root::new();
    let Some(one) = root.deb("airlab-one", "1.0", "airlab-two") else { return };
    let out = root.run("install", &format!("airlab-one 1.0 {one}\n"));
    assert!(out.code == 1 && out.error_text().contains("airlab-two"), "{}", out.error_text());
    // dpkg has unpacked it, and it counts as not installed
    let list = format!("airlab-one 1.0 {one}\nairlab-two 1 {}\n", root.deb("airlab-two", "1", "").unwrap());
    assert_eq!(root.run("look", &list).text(), "airlab-one\nairlab-two");
    root.installs_both(&list);
}
