//! The console in a real browser, through the loopback forward.

use std::path::{Path, PathBuf};

use machine::Cmd;

use crate::proof::{Fail, Proof, ensure, fail};
use crate::world::World;

/// Chromium without a window, without a profile of anybody's, without a word to anybody else.
fn chromium(world: &World, more: &[&str]) -> Result<Cmd, Fail> {
    let profile = tempfile::TempDir::with_prefix_in("browser-", world.scratch(""))?.keep();
    let fixed = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--window-size=900,640",
        "--virtual-time-budget=10000",
    ];
    let profile = format!("--user-data-dir={}", profile.display());
    Ok(world.bare("chromium").args(fixed).arg(profile).args(more.iter().copied()))
}

pub(super) fn shows_the_console(world: &World, console: &str) -> Proof {
    let url = format!("{console}/");
    let source = world.ok(world.bare("curl").args(["-fsSL", "-m", "10", &url]))?.text();
    let host = console.trim_start_matches("http://");
    let wanted = format!("platform v4.1.3 answers through {host}");
    ensure!(!source.contains("platform v4"), "the page itself says it, without its script");
    let dom = world.ok(chromium(world, &["--dump-dom", &url])?)?.text();
    ensure!(dom.contains(&wanted), "the page in the browser: {}", dom.chars().take(2000).collect::<String>());
    let picture = picture(world);
    let _gone = std::fs::remove_file(&picture);
    world.ok(chromium(world, &[&format!("--screenshot={}", picture.display()), &url])?)?;
    let (width, height) = size(&picture)?;
    ensure!(width == 900, "a picture of {width} times {height}");
    Ok(format!("the page's script put there {wanted:?}; {width} x {height} in {}", picture.display()))
}

/// Beside the built programs, where a person finds it after the run.
fn picture(world: &World) -> PathBuf {
    world.program("kubesphere-console.png")
}

/// Width and height, as the file's first chunk says.
fn size(png: &Path) -> Result<(u32, u32), Fail> {
    let bytes = std::fs::read(png)?;
    let (Some(b"\x89PNG\r\n\x1a\n"), Some(w), Some(h)) = (bytes.get(..8), bytes.get(16..20), bytes.get(20..24)) else {
        fail!("{} is no PNG file", png.display())
    };
    Ok((u32::from_be_bytes(w.try_into()?), u32::from_be_bytes(h.try_into()?)))
}
