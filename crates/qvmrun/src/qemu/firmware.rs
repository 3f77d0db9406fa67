//! The firmware, and the file with an EFI machine's own variables.

use std::fs;
use std::path::Path;

use super::argv::Firmware;
use crate::Failure;
use crate::vm::Vm;
use crate::vm_error::VmError;

/// From Debian's package `ovmf`.
pub(crate) const CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// What the .vmx asks for. The machine's own variables are made when they are not there.
pub(super) fn of(vm: &Vm) -> Result<Firmware, VmError> {
    if !vm.vmx.get("firmware").is_some_and(|f| f.eq_ignore_ascii_case("efi")) {
        return Ok(Firmware::Bios);
    }
    if vm.vmx.is_true("uefi.secureBoot.enabled") {
        return Err(VmError::NotStarted("Secure Boot is not there: set uefi.secureBoot.enabled = \"FALSE\"".into()));
    }
    if !Path::new(CODE).exists() {
        return Err(Failure::Missing { program: "ovmf".into() }.into());
    }
    let name = vm.vmx.get("nvram").map(str::to_owned);
    let file = name.map_or_else(|| vm.path.with_extension("nvram"), |name| vm.dir().join(name));
    let template = fs::read(VARIABLES).map_err(Failure::host("reading OVMF's variables"))?;
    match fs::metadata(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            machine::write_file(&file, &template, 0o644).map_err(Failure::host("writing the nvram file"))?;
        }
        Ok(found) if found.len() == template.len() as u64 => {}
        _ => {
            let file = file.display();
            return Err(VmError::NotStarted(format!(
                "{file} is of another firmware: without it the machine starts anew"
            )));
        }
    }
    Ok(Firmware::Efi { code: CODE.into(), variables: file })
}
