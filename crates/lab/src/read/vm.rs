//! The section `[vm]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::de::DeValue;

use super::{Reader, Section};
use crate::keys;
use crate::model::{Create, DiskFormat, Firmware, Provider, Vm};

impl Reader<'_> {
    pub(super) fn vm(&mut self, top: Section<'_, '_>) -> Vm {
        let section = self.section(top, "vm", keys::VM);
        let provider = self.choice(section, "provider", &[("vmware", Provider::Vmware), ("qvmrun", Provider::Qvmrun)]);
        let disk_format =
            self.choice(section, "disk_format", &[("sparse", DiskFormat::Sparse), ("flat", DiskFormat::Flat)]);
        let firmware = self.choice(section, "firmware", &[("bios", Firmware::Bios), ("efi", Firmware::Efi)]);
        let create = self.choice(section, "create", &[("install", Create::Install), ("clone", Create::Clone)]);
        let folder = self.parsed(section, "folder", "an ASCII path without spaces or control characters", |s| {
            (!s.is_empty() && s.bytes().all(|b| b.is_ascii_graphic())).then(|| s.to_owned())
        });
        Vm {
            provider: provider.unwrap_or(Provider::Vmware),
            program: self.text(section, "program").map(PathBuf::from),
            folder,
            disk_gib: self.number(section, "disk_gib", 4..=8192, 40),
            disk_format: disk_format.unwrap_or(DiskFormat::Sparse),
            firmware: firmware.unwrap_or(Firmware::Efi),
            create: create.unwrap_or(Create::Install),
            hardware: u32::try_from(self.number(section, "hardware", 19..=22, 19)).unwrap_or(19),
            parallel: usize::try_from(self.number(section, "parallel", 1..=64, 4)).unwrap_or(4),
            vmx: self.vmx(section),
        }
    }

    /// The table of further .vmx keys: names as they stand there, values as texts of one line.
    fn vmx(&mut self, vm: Section<'_, '_>) -> BTreeMap<String, String> {
        let mut keys = BTreeMap::new();
        let Some(value) = vm.table.and_then(|t| t.get("vmx")) else { return keys };
        let DeValue::Table(table) = value.get_ref() else {
            self.bad(vm, "vmx", value, "a table: write [vm.vmx]");
            return keys;
        };
        let section = Section { name: "vm.vmx", span: value.span().start, table: Some(table) };
        for (name, value) in table.iter() {
            let name: &str = name.get_ref();
            let plain = |c: char| c.is_ascii_alphanumeric() || ".:_-".contains(c);
            let text = value.get_ref().as_str().filter(|t| t.chars().all(|c| c != '"' && !c.is_control()));
            match text {
                None if matches!(value.get_ref(), DeValue::Table(_)) => {
                    self.bad(section, name, value, "a text; a key with dots stands in quotes");
                }
                None => self.bad(section, name, value, "a text of one line without quotation marks"),
                Some(_) if name.is_empty() || !name.chars().all(plain) => {
                    self.bad(section, name, value, "the value of a .vmx key (letters, digits, dots)");
                }
                Some(_) if keys::own_vmx_key(name) => {
                    self.bad(section, name, value, "a key to set here: airlab writes it itself");
                }
                Some(text) => {
                    keys.insert(name.to_owned(), text.to_owned());
                }
            }
        }
        keys
    }
}
