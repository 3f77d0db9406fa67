//! What the supervisor does for a vmrun: work that has to come to its end when that vmrun is killed, for the machine is
//! halted meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::memory;
use super::qmp::Qmp;
use crate::place::Place;
use crate::vm::Vm;
use crate::vm_error::VmError;
use crate::{Failure, control};

const DONE: &str = "done";
const NOT_SUPPORTED: &str = "not supported";

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Suspend { file: PathBuf },
    Snapshot { file: PathBuf, overlays: Vec<(String, PathBuf)> },
}

/// Asks the supervisor, and waits until it is done.
pub(super) fn ask(place: &Place, request: &Request) -> Result<(), VmError> {
    let line = serde_json::to_string(request).map_err(Failure::host("asking the machine's supervisor"))?;
    match control::ask(place, &line, memory::MOVED + Duration::from_secs(15))?.as_str() {
        DONE => Ok(()),
        NOT_SUPPORTED => Err(VmError::NotSupported),
        why => Err(Failure::host("writing the machine's memory")(why.to_owned()).into()),
    }
}

/// Does what is asked for as long as this process lives.
pub(super) fn serve(place: &Place, vm: &Vm) -> Result<(), Failure> {
    let (own, vm) = (place.clone(), vm.clone());
    control::serve(place, move |line| match perform(line, &own, &vm) {
        Ok(()) => DONE.into(),
        Err(VmError::NotSupported) => NOT_SUPPORTED.into(),
        Err(error) => error.to_string().replace('\n', " "),
    })
}

fn perform(line: &str, place: &Place, vm: &Vm) -> Result<(), VmError> {
    let request = serde_json::from_str(line).map_err(Failure::host("reading a request"))?;
    let mut monitor = Qmp::open(place)?;
    match request {
        Request::Suspend { file } => memory::suspend(&mut monitor, vm, &file),
        Request::Snapshot { file, overlays } => {
            let done = memory::snapshot(&mut monitor, vm, &file, &overlays);
            drop(monitor);
            memory::tell_time(place);
            done
        }
    }
}
