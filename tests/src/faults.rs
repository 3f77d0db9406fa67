//! Every fault that vmrun is known for against every lifecycle call of the wrapper: it recovers, or it ends with one
//! precise error in time, and it never hangs. Real calls of the built qvmrun on tiny machines, with short deadlines.

mod call;
mod table;
mod tiny;

use std::fmt::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use steps::Problem;
use vmware::vmrun::{Deadlines, Gate, Vmrun};

use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::{Report, say};
use crate::world::World;

use call::{CALLS, Call, Row};
use table::{End, expected};

/// No cell may take longer than its calls' deadlines together.
const LONGEST: Duration = Duration::from_secs(75);

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let world = World::new("faults", None)?;
    let qvmrun = |args: &[&str]| {
        let home = format!("QVMRUN_HOME={}", world.scratch("home-of-vmrun").display());
        let program = world.program("qvmrun").display().to_string();
        world.bare("env").args([home.as_str(), "QVMRUN_ENGINE=container", &program]).args(args.iter().copied())
    };
    report.check("faults/every-cell-is-there", Duration::from_secs(5), &world, every_cell);
    report.check("faults/every-fault-against-every-call", Duration::from_secs(10 * 60), &world, || {
        world.ok(qvmrun(&["net", "up", "10.80.0.1/24", "--mode", "namespace"]))?;
        tokio::runtime::Runtime::new()?.block_on(all(&world))
    });
    report.check("faults/nothing-is-left", Duration::from_secs(60), &world, || {
        let list = world.ok(qvmrun(&["-T", "ws", "list"]))?.text();
        for vmx in list.lines().skip(1) {
            world.ok(qvmrun(&["-T", "ws", "stop", vmx, "hard"]))?;
        }
        world.ok(qvmrun(&["net", "down"]))?;
        world.until("every process to end", || {
            let found = crate::host::processes(&world.scratch("").display().to_string());
            ensure!(found.is_empty(), "still there: {found:?}");
            Ok(format!("{} machines were on and are off", list.lines().count().saturating_sub(1)))
        })
    });
    Ok(())
}

/// The table has a cell for every pair of the two lists, and no other.
fn every_cell() -> Proof {
    let mut missing = Vec::new();
    for call in CALLS {
        for fault in qvmrun::FAULTS {
            if expected(*call, fault, false).is_none() || expected(*call, fault, true).is_none() {
                missing.push(format!("{} x {fault}", call.name()));
            }
        }
    }
    ensure!(missing.is_empty(), "no expected end for {}", missing.join(", "));
    Ok(format!("{} calls x {} faults, once and always", CALLS.len(), qvmrun::FAULTS.len()))
}

/// How one cell ended.
struct Cell {
    call: Call,
    fault: &'static str,
    once: Result<(End, Duration), Fail>,
    always: Result<(End, Duration), Fail>,
}

async fn all(world: &World) -> Proof {
    let system = tiny::system(&world.scratch(""))?;
    let gate = Gate::new(6);
    let cells = Mutex::new(Vec::new());
    let rows = CALLS.iter().zip(10_u8..).map(|(call, number)| {
        let (folder, system) = (world.scratch(call.name()), system.clone());
        let make = Box::new(move || tiny::machine(&folder, &system, number));
        let plain = vmrun(world, &gate, None);
        let vmx = world.scratch(call.name()).join(format!("{}.vmx", call.name()));
        let row = Row { call: *call, vmx, plain, make };
        let (cells, gate) = (&cells, &gate);
        async move {
            for fault in qvmrun::FAULTS {
                let once = cell(world, gate, &row, fault, false).await;
                let always = cell(world, gate, &row, fault, true).await;
                world.set_last(&format!("{} x {fault}", row.call.name()));
                let cell = Cell { call: row.call, fault, once, always };
                cells.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(cell);
            }
        }
    });
    futures_util::future::join_all(rows).await;
    let cells = cells.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    verdict(&cells)
}

/// vmrun with short deadlines; with a fault, where there is one.
fn vmrun(world: &World, gate: &Gate, fault: Option<&str>) -> Vmrun {
    let seconds = Duration::from_secs;
    let mut vmrun = Vmrun::new(world.program("qvmrun").display().to_string());
    vmrun.gate = gate.clone();
    vmrun.env = vec![
        ("QVMRUN_HOME".into(), world.scratch("home-of-vmrun").display().to_string()),
        ("QVMRUN_ENGINE".into(), "container".into()),
        (crate::world::MARK.into(), world.scratch("").display().to_string()),
    ];
    if let Some(fault) = fault {
        vmrun.env.push(("QVMRUN_TEST_FAULT".into(), fault.into()));
        vmrun.deadlines = Deadlines {
            quick: seconds(6),
            start: seconds(12),
            stop: seconds(6),
            snapshot: seconds(8),
            copy: seconds(8),
            guest: seconds(6),
            settle: seconds(10),
            locks: seconds(4),
            pause: Duration::from_millis(200),
            tries: 2,
        };
    }
    vmrun
}

async fn cell(world: &World, gate: &Gate, row: &Row, fault: &str, always: bool) -> Result<(End, Duration), Fail> {
    world.going_on()?;
    row.prepare().await?;
    let count = if always { "" } else { "@1" };
    let faulty = vmrun(world, gate, Some(&format!("{fault}:{}{count}", row.call.command())));
    let start = Instant::now();
    let ended = tokio::time::timeout(LONGEST, row.make(&faulty)).await;
    let took = start.elapsed();
    let Ok(ended) = ended else { fail!("HANGS: no end after {LONGEST:.0?}") };
    match ended {
        Ok(()) => {
            row.look(fault == "power-cut").await?;
            Ok((End::Done, took))
        }
        Err(error) => Ok((End::Error(error.id().to_owned()), took)),
    }
}

/// The table as it came out; a failure if any cell is not as wanted.
fn verdict(cells: &[Cell]) -> Proof {
    let mut wrong = Vec::new();
    let (mut slowest, mut done) = (Duration::ZERO, 0);
    for call in CALLS {
        let mut line = format!("     {:<19}", call.name());
        for cell in cells.iter().filter(|c| c.call == *call) {
            let mut half = |end: &Result<(End, Duration), Fail>, always: bool| {
                let wanted = expected(cell.call, cell.fault, always);
                let when = if always { "always" } else { "once" };
                match end {
                    Ok((end, took)) => {
                        slowest = slowest.max(*took);
                        if Some(end) != wanted.as_ref() {
                            let wanted = wanted.map_or("nothing".into(), |w| w.to_string());
                            wrong.push(format!("{} x {} {when}: {end}, not {wanted}", call.name(), cell.fault));
                        }
                        done += 1;
                        match end {
                            End::Done => "+".to_owned(),
                            End::Error(id) => id.trim_start_matches("AL-").to_owned(),
                        }
                    }
                    Err(why) => {
                        wrong.push(format!("{} x {} {when}: {why}", call.name(), cell.fault));
                        "!".into()
                    }
                }
            };
            let text = format!("{}/{}", half(&cell.once, false), half(&cell.always, true));
            let _ = write!(line, " {text:<9}");
        }
        say(&line);
    }
    for line in &wrong {
        say(&format!("     wrong: {line}"));
    }
    ensure!(wrong.is_empty(), "{} of {} ends are not as wanted", wrong.len(), 2 * cells.len());
    Ok(format!("{done} ends as the table wants, 0 hangs, the slowest after {slowest:.0?}"))
}
