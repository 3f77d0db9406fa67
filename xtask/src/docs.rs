//! `cargo xtask docs`: writes the generated pages of docs/.

use std::time::Duration;

use machine::Local;
use steps::chain;

use crate::Ended;
use crate::provision::cargo;

/// The pages are rendered by tests of tools/cli and of the registry, which fail when a page is out of date; here they write instead.
pub(crate) fn run() -> Ended {
    let tests = ["test", "--quiet", "--package", "cli", "--package", "registry-mirror", "--", "pages::", "spec::table"];
    let cmd = cargo().args(tests).env("AIRLAB_WRITE_PAGES", "1").timeout(Duration::from_secs(3600));
    let code = Local.take_over(&cmd).map_err(|e| chain(&e))?;
    Ok(u8::from(code != 0))
}
