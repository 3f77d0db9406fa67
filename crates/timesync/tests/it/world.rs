//! A registry, a clock and a node's folder, all of the test's own.

use std::path::PathBuf;
use std::time::SystemTime;

use machine::{Cmd, Local, Output, write_file};
use secrecy::ExposeSecret;
use testkit::TlsServer;

/// Adds the milliseconds in `offset` to what the real program says; `-s` writes there, or fails where `locked` exists.
const DATE: &str = r#"#!/bin/sh
shift_ms=$(cat "$WORLD/offset")
real=$(/bin/date +%s%3N)
case $1 in
  -s)
    [ -e "$WORLD/locked" ] && { echo "date: cannot set date: Operation not permitted" >&2; exit 1; }
    want=$(/bin/date -d "$2" +%s%3N) || exit 1
    echo $((want - real)) > "$WORLD/offset"; echo set >> "$WORLD/sets" ;;
  +%s%3N) echo $((real + shift_ms)) ;;
  -u) /bin/date -u -d "@$(((real + shift_ms) / 1000))" "$2" ;;
  *) exec /bin/date "$@" ;;
esac
"#;

/// Where `dated` exists, the certificate is good only while the clock is less than 100 days off. Where `busy` exists, it
/// comes back late until the clock is set. Counts its calls.
const CURL: &str = r#"#!/bin/sh
echo call >> "$WORLD/calls"
off=$(cat "$WORLD/offset")
case " $* " in
  *" --insecure "*) ;;
  *) [ -e "$WORLD/dated" ] && [ "${off#-}" -gt 8640000000 ] && {
       echo "curl: (60) SSL certificate problem: certificate has expired" >&2; exit 60; } ;;
esac
[ -e "$WORLD/busy" ] && [ ! -e "$WORLD/sets" ] || exec /usr/bin/curl "$@"
/usr/bin/curl "$@"
code=$?
sleep 0.7
exit "$code"
"#;

/// k3s runs where `running` exists; what is asked of it is written down.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
  'is-active --quiet k3s') [ -e "$WORLD/running" ] ;;
  is-active*) exit 3 ;;
  *) echo "$*" >> "$WORLD/units" ;;
esac
"#;

/// A real-time clock of whole seconds beside the real time, by the milliseconds in `rtc`; everything else is a file.
const CAT: &str = r#"#!/bin/sh
[ "$1" = "$WORLD/rtc" ] || exec /bin/cat "$@"
echo $((($(/bin/date +%s%3N) + $(/bin/cat "$1")) / 1000))
"#;

/// Sets the real-time clock to the system's, `late` milliseconds too late the first time.
const HWCLOCK: &str = r#"#!/bin/sh
[ "$*" = "--systohc --utc --noadjfile" ] || exit 1
late=0
[ -e "$WORLD/late" ] && late=$(/bin/cat "$WORLD/late") && rm "$WORLD/late"
echo $(($(/bin/cat "$WORLD/offset") - late)) > "$WORLD/rtc"
echo set >> "$WORLD/rtc-sets"
"#;

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    ca: PathBuf,
}

impl World {
    /// A node whose clock is `offset_ms` ahead of its registry's.
    pub(crate) fn new(offset_ms: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let spec = pki::AuthoritySpec {
            name: "test".into(),
            networks: vec![("127.0.0.0".parse().unwrap(), 8)],
            domains: vec![],
        };
        let authority = pki::Authority::ensure(&dir.path().join("ca"), &spec, now).unwrap();
        let leaf = authority.ensure_server(&dir.path().join("leaf"), "registry", &["127.0.0.1".into()], now).unwrap();
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, authority.cert_pem()).unwrap();
        let registry = TlsServer::new(leaf.cert_pem(), leaf.key_pem().expose_secret(), unauthorized);
        let world = Self { dir, ca };
        world.set("offset", &offset_ms.to_string());
        world.registry_is(registry.address());
        world.program("date", DATE);
        world.program("hwclock", HWCLOCK);
        world.program("cat", CAT);
        world.program("curl", CURL);
        world.program("systemctl", SYSTEMCTL);
        // Says that this process may set the clock, whatever the test's own rights are.
        world.program("sed", "#!/bin/sh\ncase $2 in *CapEff*) [ -e \"$WORLD/host\" ] && echo 0 || echo 1ffffffffff ;; *) exec /bin/sed \"$@\" ;; esac\n");
        world
    }

    pub(crate) fn set(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// Where the node is told its registry is.
    pub(crate) fn registry_is(&self, address: &str) {
        self.set("env", &format!("AIRLAB_REGISTRY={address}\nAIRLAB_CLOCK_TRIES=2\n"));
    }

    pub(crate) fn get(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    fn program(&self, name: &str, text: &str) {
        write_file(&self.dir.path().join("bin").join(name), text.as_bytes(), 0o755).unwrap();
    }

    pub(crate) fn trust_nothing(&mut self) {
        let spec = pki::AuthoritySpec {
            name: "other".into(),
            networks: vec![("127.0.0.0".parse().unwrap(), 8)],
            domains: vec![],
        };
        let other = pki::Authority::ensure(&self.dir.path().join("other"), &spec, SystemTime::now()).unwrap();
        std::fs::write(&self.ca, other.cert_pem()).unwrap();
    }

    /// Runs the script as the node would.
    pub(crate) fn sync(&self, args: &[&str]) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest/sync-time");
        let at = |name: &str| self.dir.path().join(name);
        let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
        let cmd = Cmd::new("sh").arg(script).args(args).env("PATH", path).env("WORLD", self.dir.path());
        let cmd = cmd.env("AIRLAB_RTC", at("rtc")).env("AIRLAB_ENV", at("env")).env("AIRLAB_BUILD_STAMP", at("stamp"));
        Local.run(&cmd.env("AIRLAB_CLOCK_FILE", at("clock.json")).env("CURL_CA_BUNDLE", &self.ca)).unwrap()
    }

    pub(crate) fn clock(&self) -> timesync::Clock {
        serde_json::from_str(&self.get("clock.json")).unwrap()
    }
}

/// Answers every request with 401 and the true Date, as a registry does.
fn unauthorized(_: &str) -> String {
    let date = Local.run_ok(&Cmd::new("/bin/date").args(["-u", "+%a, %d %b %Y %H:%M:%S GMT"])).unwrap();
    format!("HTTP/1.1 401 Unauthorized\r\nDate: {}\r\nContent-Length: 0\r\n\r\n", date.text())
}
