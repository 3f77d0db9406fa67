//! A node that is a folder: the guest scripts really run, `sudo` and `systemctl` are small programs of the test's own.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use machine::{Cmd, Exec, ExecError, Local, Output, RemoteFile};

pub(crate) struct FakeNode {
    pub(crate) dir: tempfile::TempDir,
}

const SUDO: &str = "#!/bin/sh\n[ \"$1\" = -n ] && shift\n[ \"$1\" = -- ] && shift\nexec \"$@\"\n";

/// `show`, `enable`, `start`, `restart`, `stop` over two files in the node's folder; every change is logged. A program with
/// the word `unhealthy` in it does not stay up.
const SYSTEMCTL: &str = r#"#!/bin/sh
state=$FAKE/state log=$FAKE/systemctl.log
case $1 in
  show)
    case " $* " in
      *ExecMainStartTimestamp*) cat "$FAKE/started" 2> /dev/null ;;
      *) printf 'ActiveState=%s\nUnitFileState=%s\nNRestarts=%s\n' "$(cat "$state" 2> /dev/null || echo inactive)" \
           "$(cat "$FAKE/enabled" 2> /dev/null)" "$(cat "$FAKE/restarts" 2> /dev/null || echo 0)" ;;
    esac ;;
  enable) echo enabled > "$FAKE/enabled" ;;
  stop) echo stop >> "$log"; echo inactive > "$state"; rm -f "$FAKE/restarts" ;;
  --no-block)
    echo "$2" >> "$log"
    cat "$FAKE/becomes" 2> /dev/null > "$state" || echo active > "$state"
    [ -e "$FAKE/fails" ] && echo 9 > "$FAKE/restarts"
    if grep -qs unhealthy "$FAKE/root/usr/local/bin/k3s"; then echo activating > "$state"; echo 9 > "$FAKE/restarts"; fi
    date > "$FAKE/started" ;;
esac
"#;

impl FakeNode {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            machine::write_file(&dir.path().join("bin").join(name), text.as_bytes(), 0o755).unwrap();
        };
        put("sudo", SUDO);
        put("systemctl", SYSTEMCTL);
        put("journalctl", "#!/bin/sh\necho 'level=fatal msg=\"no default routes found\"'\n");
        put("ip", "#!/bin/sh\n[ -e \"$FAKE/no-route\" ] || echo 'default via 192.168.6.1 dev ens33'\n");
        Self { dir }
    }

    /// Where a path of the node really is.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path.trim_start_matches('/'))
    }

    pub(crate) fn set(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("systemctl.log")).unwrap_or_default()
    }

    fn inside(&self, text: &str) -> String {
        let root = self.dir.path().join("root").display().to_string();
        ["/etc/", "/usr/local/", "/var/lib/"]
            .iter()
            .fold(text.to_owned(), |text, top| text.replace(top, &format!("{root}{top}")))
    }
}

/// The same command with the node's paths moved into its folder.
fn moved(node: &FakeNode, cmd: &Cmd, stdin: Option<String>) -> Cmd {
    let bin = node.dir.path().join("bin");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let words: Vec<String> = cmd.argv().iter().map(|word| node.inside(word)).collect();
    let cmd = Cmd::new(&words[0]).args(&words[1..]).env("PATH", path).env("FAKE", Path::new(node.dir.path()));
    match stdin {
        Some(text) => cmd.stdin(node.inside(&text)),
        None => cmd,
    }
}

#[async_trait]
impl Exec for FakeNode {
    async fn run(&self, cmd: &Cmd) -> Result<Output, ExecError> {
        let stdin = cmd.input().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Exec::run(&Local, &moved(self, cmd, stdin)).await
    }

    fn target(&self) -> String {
        "fake node".into()
    }

    async fn upload(&self, files: &[RemoteFile], _root: bool) -> Result<Vec<String>, ExecError> {
        let moved: Vec<RemoteFile> =
            files.iter().map(|f| RemoteFile { path: self.at(&f.path).display().to_string(), ..f.clone() }).collect();
        Local.upload(&moved, false).await
    }
}
