//! `readVariable` and `writeVariable`.
//!
//! `runtimeConfig` is the .vmx. `guestVar` lives as long as the machine is on, beginning with the .vmx's `guestinfo.`
//! keys; what the guest sets does not arrive here, for that it would need VMware's own channel.

use std::fs;
use std::path::PathBuf;

use vmware::Vmx;

use super::guest::Guest;
use super::{hold, on};
use crate::engine::Engine;
use crate::files;
use crate::grammar::Variables;
use crate::home::Home;
use crate::vm::Vm;
use crate::vm_error::VmError;

/// Which variable of which machine, and who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variable<'a> {
    pub(super) vmx: &'a str,
    pub(super) kind: Variables,
    pub(super) name: &'a str,
    pub(super) user: Option<&'a str>,
}

pub(super) fn read(home: &Home, engine: &dyn Engine, of: &Variable<'_>) -> Result<String, VmError> {
    let value = match of.kind {
        Variables::Config => Vm::open(of.vmx)?.vmx.get(of.name).map(str::to_owned),
        Variables::GuestVar => {
            let vm = on(engine, of.vmx)?;
            let key = format!("guestinfo.{}", of.name);
            set_since_start(home, &vm).get(&key).or_else(|| vm.vmx.get(&key)).map(str::to_owned)
        }
        Variables::GuestEnv => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !of.name.chars().all(plain) || of.name.starts_with(|c: char| c.is_ascii_digit()) || of.name.is_empty() {
                return Err(VmError::BadParameter);
            }
            let vm = on(engine, of.vmx)?;
            let script = format!("printf %s \"${{{}}}\"", of.name);
            Some(Guest::login(engine, &vm, of.user)?.script(&script, &[], &[])?)
        }
    };
    Ok(format!("{}\n", value.unwrap_or_default()))
}

pub(super) fn write(home: &Home, engine: &dyn Engine, of: &Variable<'_>, value: &str) -> Result<(), VmError> {
    match of.kind {
        Variables::Config => {
            let (_held, mut vm) = hold(home, of.vmx)?;
            vm.vmx.set(of.name, value);
            vm.save()
        }
        Variables::GuestVar => {
            let (_held, vm) = hold(home, of.vmx)?;
            if !engine.is_on(&vm) {
                return Err(VmError::Off(of.vmx.into()));
            }
            let mut set = set_since_start(home, &vm);
            set.set(&format!("guestinfo.{}", of.name), value);
            files::save(&place(home, &vm), &set.render()).map_err(Into::into)
        }
        // It would be the environment of VMware Tools in the guest, and there are none.
        Variables::GuestEnv => on(engine, of.vmx).and(Err(VmError::NotSupported)),
    }
}

/// Forgets what a machine was told while it was on.
pub(super) fn forget(home: &Home, vm: &Vm) {
    let _ = fs::remove_file(place(home, vm));
}

fn place(home: &Home, vm: &Vm) -> PathBuf {
    home.dir().join("variables").join(&vm.id)
}

fn set_since_start(home: &Home, vm: &Vm) -> Vmx {
    let text = files::read(&place(home, vm)).unwrap_or_default();
    Vmx::parse(&text).unwrap_or_default()
}
