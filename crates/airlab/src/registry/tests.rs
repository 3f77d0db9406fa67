//! Every kind of registry, against a `docker` and a `wsl.exe` that are scripts here, and real registries on loopback.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::time::SystemTime;

use machine::{Cmd, Local};
use registry_mirror::{Part, ServeSpec, Serving, Store, serve};
use steps::Silent;

use super::*;
use crate::secrets::Secrets;

/// Keeps one container as `lab|spec|running` in the file `container`, and what it was called with in `calls`.
const DOCKER: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/calls"
case "$1 $2" in
"container inspect") cat "$here/container" 2>/dev/null || { echo "Error response from daemon: No such container: x" >&2; exit 1; } ;;
"image inspect") [ -f "$here/image" ] ;;
"container start") sed -i 's/false$/true/' "$here/container" ;;
"container rm") rm "$here/container" ;;
"run --detach")
    [ ! -f "$here/container" ] || { echo "Conflict. The container name is already in use" >&2; exit 125; }
    for word; do case $word in airlab.lab=*) lab=${word#*=} ;; airlab.spec=*) spec=${word#*=} ;; esac; done
    echo "$lab|$spec|true" >"$here/container" ;;
*) echo "unknown: $*" >&2; exit 1 ;;
esac
"#;

/// Runs what it is told to, as WSL does.
const WSL: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "wsl $*" >>"$here/calls"
[ "$1" = --exec ] || exit 9
shift
PATH="$here:$PATH" exec "$@"
"#;

struct Desk {
    dir: tempfile::TempDir,
    lab: Lab,
    files: Layout,
    secrets: Secrets,
}

impl Desk {
    /// The desktop lab on loopback, with this section `[registry]`.
    fn new(section: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.6.1:0").unwrap().local_addr().unwrap().port();
        let section = section.replace("DIR", &dir.path().display().to_string());
        let section = if section.contains("external") { section } else { format!("{section}\nport = {port}") };
        let text = format!("{}\n[registry]\n{section}\n", lab::DESKTOP);
        let lab = Lab::parse("airlab.toml".as_ref(), &text.replace("192.168.6.", "127.0.6.")).unwrap();
        let files = Layout::of(&lab, &dir.path().join(".airlab"));
        let secrets = Secrets::ensure(&lab, &files, SystemTime::now()).unwrap().0;
        for (name, text) in [("docker", DOCKER), ("wsl.exe", WSL)] {
            let program = dir.path().join(name);
            std::fs::write(&program, text).unwrap();
            std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { dir, lab, files, secrets }
    }

    fn registry(&self) -> Registry<'_> {
        let mut registry = Registry::new(&self.lab, &self.files, self.secrets.authority.cert_pem(), self.dir.path());
        registry.tools = self.dir.path().to_owned();
        registry
    }

    /// What a container, or somebody else, would serve with this lab's certificate.
    fn serving(&self, address: SocketAddr, store: PathBuf, change: impl FnOnce(&mut ServeSpec)) -> Serving {
        let pki = self.files.pki();
        let read = |name: &str| std::fs::read_to_string(pki.join(name)).unwrap();
        let mut spec = ServeSpec::new(address, store, read("registry.crt"), read("registry.key").into());
        change(&mut spec);
        serve(&spec).unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default();
        let _ = std::fs::remove_file(self.dir.path().join("calls"));
        text.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
    }

    fn there(&self, file: &str, text: &str) {
        std::fs::write(self.dir.path().join(file), text).unwrap();
    }
}

async fn ensure(desk: &Desk) -> Result<Vec<String>, &'static str> {
    desk.registry().ensure(&Silent).await.map_err(|failure| failure.problem().id())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_runs_it_once_and_only_ours_is_removed() {
    let desk = Desk::new("kind = \"docker\"");
    let address: SocketAddr = desk.lab.registry_address().parse().unwrap();
    let _serving = desk.serving(address, desk.files.registry(), |_| {});
    assert_eq!(ensure(&desk).await, Err("AL-RUN-012"));
    assert_eq!(desk.calls(), ["container inspect", "image inspect"], "nothing was started");
    desk.there("image", "");
    assert_eq!(ensure(&desk).await.unwrap(), ["registry started"]);
    assert_eq!(desk.calls(), ["container inspect", "image inspect", "run --detach"]);
    let made = std::fs::read_to_string(desk.dir.path().join("container")).unwrap();
    assert!(made.starts_with("desktop|") && made.ends_with("|true\n"), "{made}");
    assert_eq!(ensure(&desk).await.unwrap(), [""; 0], "a second run changes nothing");
    assert_eq!(desk.calls(), ["container inspect"]);

    desk.there("container", &made.replace("true", "false"));
    assert_eq!(ensure(&desk).await.unwrap(), ["registry started"]);
    assert_eq!(desk.calls(), ["container inspect", "container start"]);
    desk.there("container", "desktop|another|true\n");
    assert_eq!(ensure(&desk).await.unwrap(), ["registry started"]);
    assert_eq!(desk.calls(), ["container inspect", "image inspect", "container rm", "run --detach"]);
    assert_eq!(std::fs::read_to_string(desk.dir.path().join("container")).unwrap(), made);

    // Somebody else's container of that name: neither used nor removed.
    for foreign in ["|whatever|true\n", "other|x|true\n"] {
        desk.there("container", foreign);
        assert_eq!(ensure(&desk).await, Err("AL-RUN-011"));
        assert!(!desk.registry().stop().await.unwrap());
        assert_eq!(std::fs::read_to_string(desk.dir.path().join("container")).unwrap(), foreign);
    }
    desk.there("container", &made);
    assert!(desk.registry().stop().await.unwrap());
    assert!(!desk.dir.path().join("container").exists());
    assert!(!desk.registry().stop().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_in_wsl_is_called_through_it() {
    let desk = Desk::new("kind = \"docker\"\nhost = \"wsl\"");
    let address: SocketAddr = desk.lab.registry_address().parse().unwrap();
    let _serving = desk.serving(address, desk.files.registry(), |_| {});
    desk.there("image", "");
    desk.registry().port_free_or_ours().await.unwrap();
    assert_eq!(ensure(&desk).await.unwrap(), ["registry started"]);
    assert_eq!(desk.calls().iter().filter(|call| *call == "wsl --exec").count(), 3);
    assert!(desk.registry().stop().await.unwrap());
}

/// What the other test starts in the program's place.
#[tokio::test]
#[ignore = "the child of the next test"]
async fn the_program_that_serves() {
    let Ok(words) = std::env::var("AIRLAB_TEST_WORDS") else { return };
    let words: Vec<&str> = words.split(' ').collect();
    let value = |key: &str| words[words.iter().position(|word| *word == key).unwrap() + 1];
    let _ = rustls::crypto::ring::default_provider().install_default();
    assert_eq!(value("--address"), "0.0.0.0");
    let address = format!("127.0.6.1:{}", value("--port")).parse().unwrap();
    let read = |key: &str| std::fs::read_to_string(value(key)).unwrap();
    let _serving = serve(&ServeSpec::new(address, value("--store"), read("--cert"), read("--key").into())).unwrap();
    std::fs::write(value("--pid-file"), std::process::id().to_string()).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_program_in_wsl_is_started_found_and_ended() {
    let desk = Desk::new("host = \"wsl\"");
    // The store's folder stands among its words, as it does with the real program.
    let program = format!(
        "#!/bin/sh\nAIRLAB_TEST_WORDS=\"$*\" exec {} --ignored --exact registry::tests::the_program_that_serves {}\n",
        std::env::current_exe().unwrap().display(),
        desk.files.registry().display()
    );
    desk.there("registry-mirror", &program);
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(desk.dir.path().join("registry-mirror"), executable).unwrap();
    assert_eq!(ensure(&desk).await.unwrap(), ["registry started"]);
    assert_eq!(ensure(&desk).await.unwrap(), [""; 0]);
    assert!(desk.registry().stop().await.unwrap());
    assert!(desk.registry().answers().await.is_err());
    assert!(!desk.registry().stop().await.unwrap());
    // Somebody else's process under that number is left alone.
    let other = Local.start(&Cmd::new("sleep").arg("60"), &desk.dir.path().join("log")).unwrap();
    std::fs::write(desk.files.root().join("registry.pid"), other.pid.to_string()).unwrap();
    assert!(!desk.registry().stop().await.unwrap() && other.ended().is_none());
    Local.run_ok(&Cmd::new("kill").arg(other.pid.to_string())).unwrap();
}

/// `wsl.exe --exec hostname -I` as hostname(1) and Microsoft's page on networking in WSL have it: every address of it in a
/// line, its own first, then Docker's bridge; a space at the end.
#[test]
fn wsl_is_asked_for_its_address() {
    let desk = Desk::new("host = \"wsl\"");
    let hostname = |body: &str| {
        desk.there("hostname", &format!("#!/bin/sh\n[ \"$*\" = -I ] || exit 4\n{body}\n"));
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(desk.dir.path().join("hostname"), executable).unwrap();
        desk.registry().ask_wsl().unwrap()
    };
    let planned = |wsl| {
        let lines = desk.registry().told(Some(wsl)).plan();
        lines.iter().map(|line| format!("{line}\n")).collect::<String>()
    };
    let told = hostname("echo '172.29.112.5 172.17.0.1 fd00::5 '");
    assert_eq!(told, Ok("172.29.112.5".parse().unwrap()));
    let plan = planned(told);
    assert!(plan.contains("connectaddress=172.29.112.5 ") && !plan.contains("ADDRESS-OF-WSL"), "{plan}");
    for (body, part) in [("echo 'fd00::5 '", "fd00::5"), ("echo 'no distribution' >&2; exit 1", "no distribution")] {
        let plan = planned(hostname(body));
        assert!(plan.contains("connectaddress=ADDRESS-OF-WSL ") && plan.contains(part), "{plan}");
    }
    std::fs::remove_file(desk.dir.path().join("wsl.exe")).unwrap();
    assert!(desk.registry().ask_wsl().unwrap().unwrap_err().contains("no such program"));
    assert_eq!(Desk::new("").registry().ask_wsl(), None);
}

const EXTERNAL: &str =
    "kind = \"external\"\naddress = \"127.0.6.1:PORT\"\nca = \"DIR/ca.pem\"\ncredentials = \"DIR/logins\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_external_registry_is_filled_once() {
    let port = TcpListener::bind("127.0.6.1:0").unwrap().local_addr().unwrap().port();
    // The authority has to be there before the lab is read into secrets; it is another lab's.
    let other = Desk::new("");
    let address: SocketAddr = format!("127.0.6.1:{port}").parse().unwrap();
    let section = EXTERNAL.replace("PORT", &port.to_string()).replace("DIR", &other.dir.path().display().to_string());
    other.there("ca.pem", other.secrets.authority.cert_pem());
    let desk = Desk::new(&section);
    assert_eq!((desk.secrets.trusted.len(), &desk.secrets.trusted[1]), (2, &other.secrets.trusted[0]));
    desk.there("k3s", "a program");
    let store = Store::open(&desk.files.registry()).unwrap();
    let program = desk.dir.path().join("k3s");
    let parts = [Part { title: "k3s", path: &program, sha256: None }];
    store.put_artifact("airlab/k3s", "v1", &parts).unwrap();

    assert_eq!(ensure(&desk).await, Err("AL-REG-008"), "nobody is there");
    let held = other.dir.path().join("held");
    let serving = other.serving(address, held.clone(), |_| {});
    assert_eq!(ensure(&desk).await, Err("AL-RUN-003"), "the file of logins is not there");
    // anna:secret
    other.there("logins", &format!("{{\"auths\":{{\"{address}\":{{\"auth\":\"YW5uYTpzZWNyZXQ=\"}}}}}}"));
    assert_eq!(ensure(&desk).await.unwrap(), [format!("{address}/airlab/k3s:v1")]);
    assert_eq!(Store::open(&held).unwrap().catalog().unwrap(), store.catalog().unwrap());
    assert_eq!(ensure(&desk).await.unwrap(), [""; 0], "a second run changes nothing");
    desk.registry().answers().await.unwrap();
    assert!(!desk.registry().stop().await.unwrap(), "it stays");
    serving.until(std::future::ready(()), Duration::from_millis(100)).await.unwrap();

    // One that asks everybody: a wrong password is told before anything is brought.
    other.there("htpasswd", "anna:$2y$05$KsrAG1FPG3.ppJujbNiPs.xi8vtJCyVD4/jVCPI4gI7g3LmfNOxrG\n");
    let empty = other.dir.path().join("empty");
    let _serving = other.serving(address, empty.clone(), |spec| {
        spec.htpasswd = Some(other.dir.path().join("htpasswd"));
    });
    desk.registry().answers().await.unwrap();
    let login = async || desk.registry().login().await.map_err(|failure| failure.problem().to_string());
    // anna:wrong
    other.there("logins", &format!("{{\"auths\":{{\"{address}\":{{\"auth\":\"YW5uYTp3cm9uZw==\"}}}}}}"));
    let told = login().await.unwrap_err();
    assert!(told.contains(&address.to_string()) && told.contains("anna") && !told.contains("wrong"), "{told}");
    assert_eq!(ensure(&desk).await, Err("AL-REG-021"));
    other.there("logins", "{\"auths\":{\"another\":{\"auth\":\"YW5uYTpzZWNyZXQ=\"}}}");
    assert!(login().await.unwrap_err().contains("no name and password"));
    assert!(Store::open(&empty).unwrap().catalog().unwrap().is_empty());
    other.there("logins", &format!("{{\"auths\":{{\"{address}\":{{\"auth\":\"YW5uYTpzZWNyZXQ=\"}}}}}}"));
    assert_eq!(ensure(&desk).await.unwrap(), [format!("{address}/airlab/k3s:v1")]);
    assert_eq!(login().await.unwrap().unwrap().user, "anna");
    assert_eq!(Store::open(&empty).unwrap().catalog().unwrap(), store.catalog().unwrap());
    // Without a file of logins nodes have none, and the images that are there are not for them.
    let desk = Desk::new(section.split("credentials").next().unwrap());
    Store::open(&desk.files.registry()).unwrap().put_artifact("airlab/k3s", "v1", &parts).unwrap();
    assert!(desk.registry().login().await.unwrap().is_none());
    assert_eq!(ensure(&desk).await, Err("AL-REG-021"));
}

#[test]
fn plans_of_every_kind() {
    let mut text = String::new();
    for section in [
        "",
        "host = \"wsl\"",
        "kind = \"docker\"",
        "kind = \"docker\"\nhost = \"wsl\"\nport = 5443",
        "kind = \"external\"\naddress = \"registry.example:8443\"\nca = \"corp.pem\"\ncredentials = \"corp.json\"",
        "kind = \"external\"\naddress = \"registry.example\"",
    ] {
        let lab = Lab::parse("airlab.toml".as_ref(), &format!("{}\n[registry]\n{section}\n", lab::DESKTOP)).unwrap();
        let files = Layout::of(&lab, r"/labs/a,b".as_ref());
        text.push_str(&format!("[registry]\n{section}\n"));
        for action in Registry::new(&lab, &files, "", "".as_ref()).plan() {
            text.push_str(&format!("    {action}\n"));
        }
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}
